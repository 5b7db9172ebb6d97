"""Nearest neighbours: against sorting all distances, ties by place, digits under an offset."""

import numpy as np
import pytest

from inscape.core.neighbours import neighbours


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_they_are_those_of_all_distances_sorted(metric):
    x = np.random.default_rng(0).normal(size=(40, 3))
    found = neighbours(x, x, 5, metric=metric, exclude_self=True)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    far = 1 - unit @ unit.T if metric == "cosine" else np.linalg.norm(x[:, None] - x[None], axis=2)
    np.fill_diagonal(far, np.inf)
    near = np.argsort(far, axis=1)[:, :5]
    assert (found.index == near).all()
    np.testing.assert_allclose(found.distance, np.take_along_axis(far, near, axis=1), atol=1e-12)


def test_ties_go_by_place_and_an_offset_costs_nothing():
    x = np.array([[0.0], [1.0], [1.0], [3.0]])
    assert neighbours(x, x, 2, metric="euclidean").index.tolist()[1] == [1, 2]
    assert neighbours(x, x, 1, metric="euclidean", exclude_self=True).index[0, 0] == 1
    far = neighbours(x + 1e7, x + 1e7, 4, metric="euclidean").distance
    np.testing.assert_allclose(far[0], [0, 1, 1, 3], atol=1e-6)


def test_what_does_not_exist_is_refused():
    x = np.ones((3, 2))
    with pytest.raises(ValueError, match="k must be between 1 and 2"):
        neighbours(x, x, 3, exclude_self=True)
    with pytest.raises(ValueError, match="metric must be 'cosine' or 'euclidean'"):
        neighbours(x, x, 1, metric="l1")
