"""Matched rows hold as many of each class in every stratum, as many as there can be."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.matched_rows import matched_rows, some_of_each, spread_rows


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_every_stratum_has_as_many_rows_of_each_class_as_its_rarest_has(rng):
    strata = np.repeat(["a", "b", "c"], [12, 9, 5])
    of = np.array([0] * 7 + [1] * 5 + [0] * 2 + [1] * 7 + [0] * 5)
    before = [np.mean(of[strata == s] == 0) for s in "abc"]
    assert max(before) - min(before) > 0.5
    kept = matched_rows(of, strata, (0, 1), rng=rng)
    for c, rows in kept.items():
        assert (of[rows] == c).all()
        assert len(set(rows.tolist())) == len(rows)
        assert {s: int((strata[rows] == s).sum()) for s in "abc"} == {"a": 5, "b": 2, "c": 0}


def test_classes_that_are_not_asked_about_are_left_out(rng):
    of = np.array(["x", "y", "z", "z"])
    kept = matched_rows(of, np.zeros(4), ("x", "y"), rng=rng)
    assert {c: r.tolist() for c, r in kept.items()} == {"x": [0], "y": [1]}


def test_where_a_class_is_missing_everywhere_nothing_is_kept(rng):
    kept = matched_rows(np.zeros(5), np.zeros(5), (0, 1), rng=rng)
    assert [len(r) for r in kept.values()] == [0, 0]


def test_rows_are_spread_evenly_as_far_as_strata_go(rng):
    strata = np.repeat(["a", "b", "c"], [20, 6, 2])
    rows = spread_rows(strata, 12, rng=rng)
    assert len(set(rows.tolist())) == 12
    assert {s: int((strata[rows] == s).sum()) for s in "abc"} == {"a": 5, "b": 5, "c": 2}
    first = spread_rows(strata, 3, rng=rng)
    assert sorted(strata[first]) == ["a", "b", "c"]
    assert len(spread_rows(strata, 99, rng=rng)) == 28


def test_some_of_each_stratum_are_drawn(rng):
    strata = np.repeat(["a", "b", "c"], [30, 20, 3])
    rows = some_of_each(strata, 5, rng=rng)
    assert [int((strata[rows] == s).sum()) for s in "abc"] == [5, 5, 3]
    assert (np.diff(rows) > 0).all()
    assert not np.array_equal(rows, some_of_each(strata, 5, rng=rng))
    few = some_of_each(strata, 99, rng=rng, order=("c", "a"))
    assert few.tolist() == [*range(30), 50, 51, 52]


def test_with_named_streams_a_stratum_changes_no_other():
    def streams(name: str) -> np.random.Generator:
        return np.random.default_rng(ord(name))

    strata = np.repeat(["a", "b"], 20)
    rows = some_of_each(strata, 5, rng=streams)
    alone = some_of_each(strata[20:], 5, rng=streams) + 20
    assert rows[rows >= 20].tolist() == alone.tolist()
