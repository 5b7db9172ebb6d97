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
