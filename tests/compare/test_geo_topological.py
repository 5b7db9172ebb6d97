"""Thresholds from geometry to topology, paths, and the manifolds on which they differ."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import rankdata

from inscape.compare.geo_topological import geo_topological, geodesic
from inscape.compare.layer_matching import over_networks
from inscape.worlds.warped_manifolds import warped_manifolds


def distances(seed: int = 0, n: int = 12) -> np.ndarray:
    return squareform(pdist(np.random.default_rng(seed).normal(size=(n, 3))))


def test_the_ends_are_ranks_and_a_graph():
    d = distances()
    at = np.triu_indices(len(d), 1)
    whole = geo_topological(d, 0, 1)
    ranks = rankdata(d[at])
    assert np.allclose(whole[at], (ranks - 1) / (len(ranks) - 1))
    graph = geo_topological(d, 0.3, 0.3)
    assert set(graph[at]) == {0.0, 1.0}
    assert graph[at].mean() == pytest.approx(0.7, abs=0.02)
    between = geo_topological(d, 0.2, 0.6)
    assert (between[at] == 0).mean() == pytest.approx(0.2, abs=0.02)
    assert (between[at] == 1).mean() == pytest.approx(0.4, abs=0.02)
    assert np.array_equal(between, between.T)
    assert np.diag(between).sum() == 0


@pytest.mark.parametrize("which", [(0.5, 0.4), (-0.1, 1), (0, 0), (1, 1), (0.2, 1.1)])
def test_quantiles_that_leave_nothing_are_refused(which):
    with pytest.raises(ValueError, match="quantiles must rise within 0 and 1"):
        geo_topological(distances(), *which)


def test_a_monotone_warp_changes_nothing_and_noise_in_long_distances_changes_geometry_alone():
    d = distances(1, 30)
    assert np.allclose(geo_topological(d**3, 0.1, 0.7), geo_topological(d, 0.1, 0.7))
    at = np.triu_indices(30, 1)
    most = np.quantile(d[at], 0.4)
    rng, warped = np.random.default_rng(2), d.copy()
    far = d[at] > most
    values = d[at].copy()
    values[far] = rng.permutation(values[far])
    warped[at] = values
    warped = np.triu(warped) + np.triu(warped).T
    agree = lambda low, high: np.corrcoef(  # noqa: E731
        geo_topological(d, low, high)[at], geo_topological(warped, low, high)[at]
    )[0, 1]
    assert agree(0.4, 0.4) == pytest.approx(1)
    assert agree(0, 1) < 0.9


def test_paths_along_a_bent_line_are_those_of_a_straight_one():
    angle = np.linspace(0, 1.8 * np.pi, 40)
    bent = squareform(pdist(np.stack([np.cos(angle), np.sin(angle)], axis=1)))
    straight = abs(angle[:, None] - angle)
    at = np.triu_indices(40, 1)
    assert np.corrcoef(bent[at], straight[at])[0, 1] < 0.8
    assert np.corrcoef(geodesic(bent, 0.1)[at], straight[at])[0, 1] > 0.99
    two = squareform(pdist(np.r_[np.arange(5.0), 100 + np.arange(5.0)][:, None]))
    paths = geodesic(two, 0.3)
    assert paths[0, 4] == pytest.approx(4)
    assert paths[0, 9] == pytest.approx(2 * 4)
    with pytest.raises(ValueError, match="quantile above 0"):
        geodesic(bent, 0)


def test_regions_of_warped_manifolds_share_neighbourhoods_and_not_long_distances():
    made = warped_manifolds(4, 5, rng=np.random.default_rng(0))
    assert np.allclose(made[0, 0][:10, :10], made[1, 0][:10, :10])
    assert not np.allclose(made[0, 0][:10, :10], made[0, 1][:10, :10])
    assert not np.allclose(made[0, 0][:10, 10:20], made[1, 0][:10, 10:20], atol=0.5)
    at = np.triu_indices(80, 1)

    def found(low: float, high: float) -> float:
        flat = [geo_topological(d, low, high)[at] for own in made for d in own]
        return over_networks(np.corrcoef(flat), 4).value

    assert found(0.0, 0.1) > found(0.0, 1.0) + 0.2


def test_items_at_no_distance_stay_there_along_paths():
    far = np.array([[0.0, 0.0, 3.0], [0.0, 0.0, 3.0], [3.0, 3.0, 0.0]])
    assert geodesic(far, 1.0).tolist() == far.tolist()


@pytest.mark.parametrize(
    "change", [lambda d: geo_topological(d, 0.1, 0.9), lambda d: geodesic(d, 0.5)]
)
def test_matrices_that_are_none_are_refused(change):
    x = np.random.default_rng(0).normal(size=(8, 3))
    far = np.linalg.norm(x[:, None] - x, axis=2)
    assert np.isfinite(change(far)).all()
    missing = far.copy()
    missing[0, 1] = missing[1, 0] = np.nan
    with pytest.raises(ValueError, match="matrix holds NaN or infinite numbers"):
        change(missing)
    with pytest.raises(ValueError, match="matrix is not symmetric"):
        change(np.triu(far))


def test_matrices_without_near_and_far_or_below_zero_are_refused():
    with pytest.raises(ValueError, match="all pairs are equally far, so none is near or far"):
        geo_topological(np.ones((4, 4)), 0.1, 0.9)
    with pytest.raises(ValueError, match="0 or more, and one is negative"):
        geodesic(np.eye(4) - 1, 0.5)
