"""A label is read as it was meant: classes or numbers, repeats together, imbalance said, what
cannot be answered refused.
"""

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.workbench.question import target


def column(values, name="label"):
    return pd.Series(values, name=name)


def test_text_and_zero_one_are_classes_and_other_numbers_are_not():
    text = target(column(["no", "yes"] * 8), None, None)
    assert (text.task, text.classes, text.metric) == (
        "classification",
        ("no", "yes"),
        "balanced accuracy",
    )
    assert text.chance == 0.5
    binary = target(column([0, 1] * 8), None, None)
    assert binary.classes == ("0", "1")
    assert binary.y.tolist() == [0, 1] * 8
    numbers = target(column(range(16)), None, None)
    assert (numbers.task, numbers.classes, numbers.metric, numbers.chance) == (
        "regression",
        (),
        "r2",
        0,
    )


def test_numbers_are_classes_where_that_is_asked_and_sort_as_numbers():
    stars = target(column([10, 9, 2] * 6), None, None, "classification")
    assert stars.classes == ("2", "9", "10")
    assert target(column([0, 1] * 8), None, None, "regression").classes == ()


def test_repeated_inputs_with_the_same_answer_are_one_group():
    texts = ["a", "b", "c", "a", "d", "b", "e", "f"]
    found = target(column([0, 1, 0, 0, 1, 0, 1, 1]), texts, None)
    assert found.groups[0] == found.groups[3]
    assert found.groups[1] != found.groups[5]  # the same text with two answers gives neither away
    assert "2 of 8 rows repeat the input of another row" in found.notes[0]
    named = target(column([0, 1, 0, 0, 1, 0, 1, 1]), texts, list("ppqqrrss"))
    assert named.groups[0] == named.groups[1] == named.groups[3] == named.groups[2]


def test_an_imbalance_is_said_and_its_absence_is_not():
    assert target(column(["a"] * 10 + ["b"] * 9), None, None).notes == ()
    (note,) = target(column(["a"] * 18 + ["b"] * 6), None, None).notes
    assert "18 rows of 'a', 6 rows of 'b'" in note
    assert "always naming the largest class gives 0.5" in note
    many = target(column(np.repeat(list("abcdef"), [30, 8, 8, 8, 8, 4])), None, None)
    assert "…" in many.notes[0]


@pytest.mark.parametrize(
    ("values", "task", "sentence"),
    [
        (["a", "a"], "auto", "has one class only"),
        ([1.5, 1.5], "auto", "has the same value in every row"),
        (["a", "b"], "regression", "is text, which cannot be a regression target"),
        (list("abcd"), "auto", "has 4 classes in 4 rows"),
        (["a", None], "auto", "is missing at"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_cure(values, task, sentence):
    with pytest.raises(DataError, match=sentence):
        target(column(values), None, None, task)


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task must be auto, classification, regression"):
        target(column([0, 1]), None, None, "guess")


@pytest.mark.parametrize(("texts", "left"), [("abababababab", 1), ("abababcdcdcd", 2)])
def test_inputs_that_join_groups_until_too_few_are_left_are_said_to(texts, left):
    labels, groups = column([0, 1] * 6), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    said = f"of 12 rows repeat .* joins 6 groups into {left}, too few for 3 folds; name no group"
    with pytest.raises(DataError, match=said):
        target(labels, list(texts), groups, folds=3)
    assert target(labels, list("abcdefghijkl"), groups, folds=3).groups.max() == 5
