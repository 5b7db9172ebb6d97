"""A map fitted to judgements: it finds what they rest on, and leaves alone what none speaks of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import ortho_group, spearmanr

from inscape.compare.triplet_map import TripletMap


def test_it_finds_the_directions_that_judgements_rest_on():
    rng = np.random.default_rng(0)
    x, turn = rng.normal(size=(200, 6)), ortho_group.rvs(6, random_state=0)
    known, new = x[:120] @ turn, x[120:] @ turn
    judged = squareform(pdist(x[:120, :2]))
    fitted = TripletMap(penalty=0.0).fit(known, judged)
    truth = pdist(x[120:, :2])
    before, after = (spearmanr(pdist(z), truth)[0] for z in (new, fitted.transform(new)))
    assert before < 0.7
    assert after > 0.95
    assert fitted.agreement_ > 0.95
    held = TripletMap(penalty=1e3).fit(known, judged)
    spread = np.sqrt(2 * known.var(axis=0).sum())
    assert np.allclose(held.matrix_ * spread, np.eye(6), atol=0.05)


def test_scale_of_the_representation_changes_nothing():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3))
    judged = squareform(pdist(x[:, :1]))
    one, other = (TripletMap(steps=40).fit(s * x, judged).transform(s * x) for s in (1.0, 50.0))
    assert np.allclose(one, other, atol=1e-6)


def test_what_cannot_be_fitted_is_refused():
    x = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(
        ValueError, match=r"distances have shape \(4, 4\); give those between the 5 items"
    ):
        TripletMap().fit(x, np.zeros((4, 4)))
    with pytest.raises(ValueError, match="all items are the same"):
        TripletMap().fit(np.ones((5, 2)), np.zeros((5, 5)))


def test_distances_with_a_gap_are_refused():
    x = np.random.default_rng(0).normal(size=(8, 3))
    far = np.linalg.norm(x[:, None] - x, axis=2)
    far[0, 1] = far[1, 0] = np.nan
    with pytest.raises(ValueError, match="the matrix of distances holds NaN"):
        TripletMap(triplets=20, steps=1).fit(x, far)
