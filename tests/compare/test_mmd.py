"""Distances of distributions: none for one distribution, known ones for others."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.compare.mmd import energy_distance, mmd


def test_they_are_zero_on_average_for_one_distribution():
    rng = np.random.default_rng(0)
    both = [rng.normal(size=(2, 30, 4)) for _ in range(200)]
    for measure in (mmd, energy_distance):
        values = np.array([measure(x, y) for x, y in both])
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))
        assert (values < 0).mean() > 0.3


def test_they_are_the_definitions_pair_by_pair():
    x, y = np.random.default_rng(1).normal(size=(2, 5, 2))
    every = [np.linalg.norm(a - b) for a in np.vstack([x, y]) for b in np.vstack([x, y])]
    width = np.median([d for d in every if d > 0])

    def mean(f, one, other):
        same = one is other
        return np.mean(
            [
                f(a, b)
                for i, a in enumerate(one)
                for j, b in enumerate(other)
                if not (same and i == j)
            ]
        )

    def far(a, b):
        return float(np.linalg.norm(a - b))

    def near(a, b):
        return np.exp(-((far(a, b) / width) ** 2) / 2)

    assert mmd(x, y) == pytest.approx(mean(near, x, x) + mean(near, y, y) - 2 * mean(near, x, y))
    expected = 2 * mean(far, x, y) - mean(far, x, x) - mean(far, y, y)
    assert energy_distance(x, y) == pytest.approx(expected)
    assert energy_distance(3 * x, 3 * y) == pytest.approx(3 * expected)
    assert mmd(3 * x, 3 * y) == pytest.approx(mmd(x, y))


@pytest.mark.parametrize("measure", [mmd, energy_distance])
def test_rows_have_one_width(measure):
    with pytest.raises(ValueError, match="rows have 2 and 3 features; give the same"):
        measure(np.ones((4, 2)), np.ones((4, 3)))


def test_rows_that_are_all_the_same_have_no_width():
    with pytest.raises(ValueError, match="all rows are the same, so there is no width"):
        mmd(np.ones((4, 2)), np.ones((4, 2)))
