"""Groups that share a row are one; what repeats by nature merges nothing."""

from __future__ import annotations

import numpy as np

from inscape.core.repeated import continuous, merged_groups, same_rows


def test_rows_are_the_same_only_where_they_are_at_every_site():
    zero = np.zeros(3, dtype=np.int64)
    first = same_rows(zero, np.array([[1.0], [1.0], [2.0]]))
    assert first[0] == first[1] != first[2]
    second = same_rows(first, np.array([[5.0], [6.0], [5.0]]))
    assert len(set(second)) == 3


def test_merging_is_transitive_and_leaves_the_rest():
    groups = np.array([0, 1, 1, 2, 2, 3])
    same = np.array([7, 7, 8, 8, 9, 10])
    assert merged_groups(groups, same).tolist() == [0, 0, 0, 0, 0, 1]
    assert merged_groups(groups, np.arange(6)).tolist() == groups.tolist()


def test_counts_are_not_continuous():
    rng = np.random.default_rng(0)
    assert continuous(rng.normal(size=(100, 20)))
    assert not continuous(rng.integers(0, 4, (100, 20)).astype(float))


def test_copies_do_not_make_a_column_discrete():
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(20, 16)), 10, axis=0)
    assert not continuous(x)
    assert continuous(x, kinds=20)
    codes = np.eye(8)[rng.integers(0, 8, 200)]
    assert not continuous(codes, kinds=8)
    # a single column has as many values as different rows
    lengths = rng.integers(3, 40, (200, 1)).astype(float)
    assert not continuous(lengths, kinds=len(np.unique(lengths)))


def test_the_same_input_read_in_two_batches_differs_by_rounding():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(500, 64)).astype(np.float32) + 100 * (np.arange(64) == 3)
    again = half * (1 + 1e-7 * rng.normal(size=half.shape)).astype(np.float32)
    numbers = same_rows(np.zeros(1000, dtype=np.int64), np.r_[half, again])
    assert (numbers[:500] == numbers[500:]).all()
    assert len(set(numbers)) == 500


def test_close_rows_of_few_columns_are_different_inputs():
    x = np.random.default_rng(0).normal(size=(20_000, 1))
    assert len(set(same_rows(np.zeros(len(x), dtype=np.int64), x))) == len(np.unique(x))
    x[7] = x[19_000]
    assert len(set(same_rows(np.zeros(len(x), dtype=np.int64), x))) == len(x) - 1


def test_many_copies_are_one():
    x = np.repeat(np.random.default_rng(0).normal(size=(5, 16)), 40, axis=0)
    assert len(set(same_rows(np.zeros(200, dtype=np.int64), x))) == 5
