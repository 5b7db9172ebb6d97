"""Questions: answers graded, their tokens found again, what may be read without looking inside, and
kinds of answerers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.data.positions import resolve
from inscape.model.continuations import Continuation
from inscape.outcomes.questions import TOKENS, answered, complete, exact_text, kinds
from tests.store.conftest import llama


def said(text, *logprobs):
    lp = np.array(logprobs or [-0.5] * max(1, len(text.split())))
    return Continuation(text, np.arange(2, 2 + len(lp)), lp, np.exp(lp), True)


@pytest.fixture
def questions():
    rows = {
        "prompt": ["w1 w2 ", "w3 ", "w4 w5 "],
        "answers": ["w7 w8", "w9|w10", "w11"],
        "others": ["", "w12", ""],
    }
    return Examples(pd.DataFrame(rows | {"group": list("abc")}), "prompt", (), "group")


def test_tokens_are_found_again(questions):
    found = answered(questions, [said("w6 w7 w8 w9"), said("w12 w9"), said("")])
    assert found.rows.tolist() == [0, 1]  # no words, no answer
    assert found.right.tolist() == [True, False]
    assert [a.text for a in found.said] == ["w7 w8", "w12"]
    model = llama()
    tokens = model.tokenize(found.texts.texts())
    at = [
        [int(resolve(f"span:{n}", t, found.texts.span(i))[0]) for n in TOKENS]
        for i, t in enumerate(tokens)
    ]
    # <s> w1 w2 w6 w7 w8 w9, and <s> w3 w12 w9
    assert at == [[2, 3, 5, 6], [1, 2, 2, 3]]
    assert answered(questions, [said("w12 w9")], np.array([1]), others=False).right.tolist() == [
        True
    ]


def test_what_needs_no_look_inside(questions):
    found = answered(questions, [said("w7 w8", -1.0, -3.0), said("w12"), said("w12")])
    assert found.logprob()[0].tolist() == [-2.0, -3.0]
    assert found.most()[0] == pytest.approx(np.exp(-4.0))
    assert found.surface()[:, 3].tolist() == pytest.approx(
        [1 / 3, 2 / 3, 2 / 3]
    )  # the same answer twice
    outside = found.outside()
    assert np.array_equal(outside[:, :2], found.logprob())
    assert np.array_equal(outside[:, 2:-1], found.surface())
    assert (outside[:, -1] == 1).all()  # one task
    assert found.take(np.array([True, False, True])).rows.tolist() == [0, 2]
    assert len(found.take(np.array([2]))) == 1


def test_the_exact_answers_tokens_alone_are_counted(questions):
    model = llama()
    ids = model.tokenize(["w6 w7 w8 w9"])[0].ids[1:]
    logprobs = np.array([-1.0, -2.0, -4.0, -8.0])
    made = Continuation("w6 w7 w8 w9", ids, logprobs, np.exp(logprobs), True)
    found = answered(questions, [made])
    assert found.said[0].text == "w7 w8"
    assert found.exact_logprob(model)[0].tolist() == [-3.0, -4.0]


def test_retokenised_texts_are_compared_with_what_was_generated(questions):
    model = llama()
    ids = model.tokenize(["w7 w8"])[0].ids[1:]
    made = [Continuation("w7 w8", row, np.zeros(2), np.ones(2), True) for row in (ids, ids[::-1])]
    found = answered(questions, made, np.array([0, 0]))
    assert exact_text(model, found, questions.texts()) == 0.5


def test_kinds_of_answerers():
    right = np.array([1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    words = ["a", "a", "b", "x", "X", "y", "p", "a", "q", "1", "2", "3", "c", "c", "c"]
    groups = [3, 3, 3, 1, 1, 1, 2, 2, 2, 0, 0, 0, 9, 9, 9]
    assert kinds(right, words, groups).tolist() == [
        "right",
        "one mistake",
        "torn",
        "scattered",
        "one mistake",
    ]


def test_what_is_refused(questions):
    bare = Examples(questions.frame.drop(columns="answers"), "prompt", (), "group")
    with pytest.raises(DataError, match="questions need a column 'answers'"):
        complete(bare)
    with pytest.raises(DataError, match="no group"):
        complete(Examples(questions.frame.drop(columns="group"), "prompt"))
    with pytest.raises(DataError, match="no question was answered in words"):
        answered(questions, [said("")] * 3)
    assert complete(questions).frame["task"].unique().tolist() == ["questions"]


def test_tasks_have_their_rows_groups_and_accuracy(questions):
    frame = questions.frame.assign(task=["b", "a", "b"])
    found = answered(replace(questions, frame=frame), [said("w7 w8"), said("w12"), said("w12")])
    assert {t: rows.tolist() for t, rows in found.tasks.items()} == {"b": [0, 2], "a": [1]}
    assert found.task_groups.tolist() == ["b a", "a b", "b c"]
    rows = {(e.where["task"], e.where["condition"]): e.value for e in found.accuracy()}
    assert rows["b", "greedy answer"] == 0.5
    assert rows["a", "greedy answer"] == 0.0
    assert rows["b", "share of the commonest answer"] == 0.5
    assert rows["a", "share of the commonest answer"] == 1.0
