"""The planted covariances, read back from many pairs."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.planted_covariances import planted_covariances

LAM, RHO = np.array([1.2, 1.0, 0.5]), np.array([0.5, 1.5, 1.0])


def test_pairs_have_the_planted_covariances_in_their_basis():
    world = planted_covariances(LAM, RHO, noise=0.3, rng=np.random.default_rng(0))
    x, y = world.draw(200_000, rng=np.random.default_rng(1))
    a, b = x @ world.basis, y @ world.basis
    np.testing.assert_allclose(a.T @ b / len(a), np.diag(LAM), atol=0.02)
    np.testing.assert_allclose((a * b).mean(0) / (a * a).mean(0), RHO, atol=0.01)
    np.testing.assert_allclose((b - a * RHO).std(axis=0), 0.3, rtol=0.01)
    # in the columns themselves they are mixed
    mixed = x.T @ y / len(x)
    assert np.abs(mixed - np.diag(np.diag(mixed))).max() > 0.05


def test_refusals():
    rng = np.random.default_rng(0)
    for lam, rho, noise in ((-LAM, RHO, 0.5), (LAM, RHO[:2], 0.5), (LAM, RHO, -1.0)):
        with pytest.raises(ValueError, match="lam and rho are above 0, one for each feature"):
            planted_covariances(lam, rho, noise, rng=rng)
