"""Distances between class centroids are zero on average where the centroids are equal."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.compare.class_distances import class_distances


def test_distances_are_zero_where_centroids_are_equal_and_plain_ones_are_not():
    rng = np.random.default_rng(0)
    y, groups = np.tile(np.arange(4), 50), np.repeat(np.arange(50), 4)
    x = rng.normal(size=(200, 100))
    means = np.stack([x[y == c].mean(axis=0) for c in range(4)])
    plain = ((means[0] - means[1]) ** 2).sum()
    assert plain > 2
    assert abs(class_distances(x, y, groups, rng=rng)[0, 1]) < 1.5
    x += 3 * np.eye(4, 100)[y]
    assert class_distances(x, y, groups, rng=rng)[0, 1] == pytest.approx(18, abs=3)


def test_it_is_the_product_of_gaps_in_halves_of_whole_groups():
    rng = np.random.default_rng(1)
    y, groups = np.tile(np.arange(3), 6), np.repeat(np.arange(6), 3)
    x = rng.normal(size=(18, 4))
    first = (np.random.default_rng(5).permutation(6) < 3)[groups]
    gaps = [
        np.subtract(*(x[half & (y == c)].mean(axis=0) for c in (0, 2))) for half in (first, ~first)
    ]
    found = class_distances(x, y, groups, rng=np.random.default_rng(5), splits=1)
    assert found[0, 2] == pytest.approx(gaps[0] @ gaps[1])
    assert np.allclose(found, found.T)


def test_a_class_of_one_group_is_in_no_other_half():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 3))
    for y, groups in (
        (np.arange(12) % 2, np.zeros(12, dtype=int)),
        (np.arange(12) % 2 * 2, np.arange(12)),
    ):
        with pytest.raises(ValueError, match="lacks one of the"):
            class_distances(x, y, groups, rng=rng)
