"""A table parted into tasks."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.data.tasks import tasks_of


@pytest.fixture
def table():
    frame = pd.DataFrame(
        {
            "text": [f"sentence {i}" for i in range(8)],
            "task": ["a", "b"] * 4,
            "group": ["x", "y", "x", "y", "z", "y", "u", "v"],
        }
    )
    return load(frame, input="text", group="group")


def test_every_task_has_its_rows_and_whole_groups(table):
    assert {n: len(t) for n, t in tasks_of(table).items()} == {"a": 4, "b": 4}
    few = tasks_of(table, ["b", "a"], limit=3)
    assert list(few) == ["b", "a"]
    assert few["a"].frame["group"].tolist() == ["x", "x", "z"]
    assert few["b"].frame["group"].tolist() == ["y", "y", "y"]


def test_a_group_that_does_not_fit_is_passed_over_for_one_that_does(table):
    assert tasks_of(table, ["b"], limit=2)["b"].frame["group"].tolist() == ["v"]


def test_a_task_or_column_that_is_not_there_is_refused(table):
    with pytest.raises(DataError, match="There is no task 'c'; there are a, b"):
        tasks_of(table, ["c"])
    with pytest.raises(DataError, match="column"):
        tasks_of(table, column="exercise")


def test_a_row_without_a_task_and_a_limit_below_zero_are_refused():
    frame = pd.DataFrame({"text": ["a", "b"], "task": ["one", None]})
    with pytest.raises(DataError, match=r"'task' is empty in 1 rows \(first: row 2\)"):
        tasks_of(Examples(frame, "text"))
    with pytest.raises(ValueError, match="limit must be 0"):
        tasks_of(Examples(frame.fillna("two"), "text"), limit=-1)
