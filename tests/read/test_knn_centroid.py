"""Neighbours and centroids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid, NearestNeighbors

from inscape.core.neighbours import neighbours
from inscape.read.knn import KNNProbe, vote_of_nearest
from inscape.read.logistic import LogisticProbe
from inscape.read.nearest_centroid import CentroidProbe


def rings(n=400, seed=0):
    """Two classes that no line parts: a disc and the ring around it."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    angle, radius = rng.random(n) * 2 * np.pi, 1 + 2 * y + 0.3 * rng.normal(size=n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("held", [50, 10**6])
def test_the_same_neighbours_as_scikit_learn_in_blocks_or_at_once(metric, held, monkeypatch):
    monkeypatch.setitem(neighbours.__globals__, "_HELD", held)
    x = np.random.default_rng(0).normal(size=(40, 5)) + 100 * (metric == "euclidean")
    found = neighbours(x, x, 4, metric=metric, exclude_self=True)
    theirs = NearestNeighbors(n_neighbors=5, metric=metric).fit(x).kneighbors(x)
    assert (found.index == theirs[1][:, 1:]).all()
    assert np.allclose(found.distance, theirs[0][:, 1:], atol=1e-9)


def test_it_reads_what_no_line_parts_and_shuffled_labels_not():
    x, y = rings()
    fresh, truth = rings(seed=1)
    assert LogisticProbe((1.0,)).fit(x, y).score(fresh, truth) < 0.65
    probe = KNNProbe(k=5, metric="euclidean").fit(x, y)
    assert probe.score(fresh, truth) > 0.95
    theirs = KNeighborsClassifier(5).fit(x, y)
    assert np.allclose(probe.predict_proba(fresh), theirs.predict_proba(fresh))
    noise = KNNProbe(k=5, metric="euclidean").fit(x, np.random.default_rng(2).permutation(y))
    assert abs(noise.score(fresh, truth) - 0.5) < 0.1


def test_duplicates_tie_by_index_and_a_cold_vote_is_the_nearest_rows():
    x = np.zeros((4, 2))
    assert neighbours(np.zeros((1, 2)), x, 3, metric="euclidean").index.tolist() == [[0, 1, 2]]
    assert neighbours(x, x, 1, metric="euclidean", exclude_self=True).index.ravel().tolist() == [
        1,
        0,
        0,
        0,
    ]
    x, y = rings(100)
    cold = KNNProbe(k=20, metric="euclidean", weights="softmax", temperature=1e-4).fit(x, y)
    assert (cold.predict(x + 1e-9) == y).all()
    warm = KNNProbe(k=20, metric="euclidean", weights="softmax", temperature=1e6).fit(x, y)
    assert np.allclose(
        warm.predict_proba(x),
        KNNProbe(k=20, metric="euclidean").fit(x, y).predict_proba(x),
        atol=1e-4,
    )


def test_a_vote_by_distances_is_scikit_learns_without_the_item_itself():
    x, y = rings(60)
    names = np.array(["disc", "ring"])[y]
    far = np.linalg.norm(x[:, None] - x, axis=2)
    found = vote_of_nearest(far, names, 5)
    for i in range(60):
        others = np.arange(60) != i
        theirs = KNeighborsClassifier(5).fit(x[others], names[others])
        assert found[i] == theirs.predict(x[[i]])[0]
    assert (found == names).mean() > 0.9
    shuffled = np.random.default_rng(1).permutation(names)
    assert (vote_of_nearest(far, shuffled, 5) == shuffled).mean() < 0.8


def test_a_tie_of_votes_goes_to_the_first_label_and_one_of_distances_to_the_first_item():
    far = np.array([[0.0, 1, 2, 9], [1, 0, 3, 9], [2, 3, 0, 9], [9, 9, 9, 0]])
    assert vote_of_nearest(far, np.array([5, 9, 7, 9]), 2).tolist() == [7, 5, 5, 5]
    assert vote_of_nearest(far, np.array([5, 9, 7, 9]), 1)[3] == 5
    # what stands on the diagonal is not looked at
    assert vote_of_nearest(far + np.diag([np.nan] * 4), np.arange(4), 1).tolist() == [1, 0, 0, 0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.floats(0.1, 50))
def test_cosine_does_not_know_the_length_of_rows(seed, factor):
    x = np.random.default_rng(seed).normal(size=(30, 4))
    scale = np.linspace(1, factor, 30)[:, None]
    assert (neighbours(x, x, 5).index == neighbours(scale * x, x, 5).index).all()


def test_centroids_are_scikit_learns_and_cosine_forgets_the_common_offset():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=300)
    x = 2 * np.eye(3)[y] + rng.normal(size=(300, 3))
    assert (CentroidProbe().fit(x, y).predict(x) == NearestCentroid().fit(x, y).predict(x)).all()
    plain, moved = (
        CentroidProbe(metric="cosine").fit(x + s, y).predict(x + s) for s in (0.0, 1000.0)
    )
    assert (plain == moved).all()
    assert (plain == y).mean() > 0.7
    noise = [(CentroidProbe().fit(x, rng.permutation(y)).predict(x) == y).mean() for _ in range(30)]
    assert abs(np.mean(noise) - 1 / 3) < 0.1  # single ones stray far in three dimensions
    assert isinstance(
        CentroidProbe().fit(torch.tensor(x), torch.tensor(y)).predict(torch.tensor(x)), torch.Tensor
    )


def test_refusals():
    x, y = rings(30)
    with pytest.raises(ValueError, match="k must be between 1 and 29"):
        neighbours(x, x, 30, exclude_self=True)
    with pytest.raises(ValueError, match="neighbours: metric must be"):
        neighbours(x, x, 1, metric="manhattan")
    with pytest.raises(ValueError, match="KNNProbe: metric must be"):
        KNNProbe(metric="manhattan").fit(x, y)
    with pytest.raises(ValueError, match="k and temperature must be positive"):
        KNNProbe(k=0).fit(x, y)
    with pytest.raises(ValueError, match="KNNProbe: y holds one class"):
        KNNProbe().fit(x, np.zeros(30, dtype=int))
    with pytest.raises(ValueError, match=r"distances of shape \(3, 3\) for 4 labels"):
        vote_of_nearest(np.zeros((3, 3)), np.arange(4), 1)
    for k in (0, 3):
        with pytest.raises(ValueError, match="vote_of_nearest: k must be a whole number from 1 to"):
            vote_of_nearest(np.zeros((3, 3)), np.arange(3), k)
    with pytest.raises(ValueError, match="distances hold NaN, which has no place"):
        vote_of_nearest(np.full((3, 3), np.nan), np.arange(3), 1)
    with pytest.raises(ValueError, match="CentroidProbe: y holds one class"):
        CentroidProbe().fit(x, np.zeros(30, dtype=int))
    with pytest.raises(ValueError, match="CentroidProbe: metric must be"):
        CentroidProbe(metric="manhattan").fit(x, y)
