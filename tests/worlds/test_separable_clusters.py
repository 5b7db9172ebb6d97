"""The clusters: their geometry at both ends, and draws that are balanced around the centres."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.separable_clusters import separable_clusters


def test_only_a_separable_label_has_a_direction():
    for delta in (0.0, 0.7):
        c = separable_clusters(delta, 20, rng=np.random.default_rng(0))
        found = c.labels @ (c.centres - c.centres.mean(axis=0)) / 4
        assert np.linalg.norm(found) == pytest.approx(delta, abs=1e-9)
        gram = c.centres @ c.centres.T
        np.testing.assert_allclose(np.diag(gram), 2 + delta**2)


def test_draws_are_balanced_around_the_centres():
    c = separable_clusters(1.0, 10, noise=0.3, rng=np.random.default_rng(0))
    x, which = c.draw(40_000, rng=np.random.default_rng(1))
    assert np.bincount(which).tolist() == [10_000] * 4
    off = x - c.centres[which]
    assert off.std() == pytest.approx(0.3, rel=0.01)
    assert np.abs(off.mean(axis=0)).max() < 0.01


def test_refusals():
    with pytest.raises(ValueError, match="delta must be at least 0 and width at least 3"):
        separable_clusters(-1.0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="width at least 3"):
        separable_clusters(0.0, 2, rng=np.random.default_rng(0))
