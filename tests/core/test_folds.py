"""Folds hold whole groups out, evenly, and say why they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.core.errors import DataError
from inscape.core.folds import group_codes, group_folds, held_groups, random_folds, stratified_folds


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.lists(st.integers(0, 12), min_size=6, max_size=80), st.integers(2, 4), st.integers(0, 99))
def test_no_group_straddles_and_every_row_is_held_out_once(groups, k, seed):
    groups = np.array([*groups, 100, 101, 102, 103])
    folds = group_folds(groups, k, rng=rng(seed))
    assert sorted(np.concatenate([test for _, test in folds]).tolist()) == list(range(len(groups)))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert len(train) + len(test) == len(groups)
        assert len(test) > 0


def test_folds_are_balanced_when_groups_are_small():
    groups = np.repeat(np.arange(100), 7)
    assert {len(test) for _, test in group_folds(groups, 5, rng=rng())} == {140}


def test_same_generator_same_folds_and_another_seed_other_folds():
    groups = np.arange(40) % 13
    first, again, other = (group_folds(groups, 4, rng=rng(s)) for s in (1, 1, 2))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_random_folds_ignore_groups_and_stratified_ones_spread_classes():
    sizes = [len(test) for _, test in random_folds(23, 5, rng=rng())]
    assert sorted(sizes) == [4, 4, 5, 5, 5]
    labels = np.array([0] * 20 + [1] * 5)
    assert [labels[test].sum() for _, test in stratified_folds(labels, 5, rng=rng())] == [1] * 5


def test_one_part_of_the_groups_is_held_out_whole():
    groups = np.repeat([f"g{k}" for k in range(10)], [1, 5, 2, 9, 1, 1, 3, 4, 2, 2])
    held = held_groups(groups, 3, rng=rng())
    assert len(set(groups[held])) == 4  # every third of ten, the first among them
    assert not set(groups[held]) & set(groups[~held])
    others = [held_groups(groups, 3, rng=rng(seed)) for seed in range(1, 200)]
    often = {g: np.mean([o[groups == g].all() for o in others]) for g in set(groups)}
    assert all(0.25 < share < 0.55 for share in often.values())
    with pytest.raises(ValueError, match="held_groups: k must be at least 2, got 1"):
        held_groups(groups, 1, rng=rng())


def test_codes_take_any_kind_in_order_of_appearance():
    assert group_codes(["b", 3, "b", ("x",)]).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("groups", "k", "message"),
    [
        (["a"] * 5, 2, "all rows are in one group"),
        (["a", "b", "b"], 3, "2 groups cannot fill 3 folds; use at most 2"),
        (["a", None, "b"], 2, r"1 rows have no group \(first: row 2\)"),
        ([1.0, float("nan"), 2.0], 2, "have no group"),
        (["a", "b"], 1, "at least 2, got 1"),
        (["a", "b"], 3, "2 rows cannot fill 3 folds"),
    ],
)
def test_refusals(groups, k, message):
    with pytest.raises(DataError, match=message):
        group_folds(groups, k, rng=rng())


def test_a_wrong_number_of_groups_is_refused():
    with pytest.raises(DataError, match="groups has 2 entries for 3 rows"):
        group_codes(["a", "b"], 3)


@pytest.mark.parametrize("groups", [[["a", 1], ["b", 2]], np.array([[0, 1], [2, 3]])])
def test_a_group_is_a_single_value(groups):
    with pytest.raises(DataError, match="each row has one group, a single value"):
        group_codes(groups)
