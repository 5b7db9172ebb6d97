"""Layers identified, ties, permuted networks; and the unguarded canonical measures against slow
ones.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from inscape.compare.fitted_canonical import Span, fitted_similarities
from inscape.compare.layer_matching import between_networks, every_pair, identified, over_networks


def test_the_right_layer_a_wrong_one_and_a_tie():
    similarity = np.array([[0.9, 0.2, 0.1], [0.8, 0.3, 0.1], [0.5, 0.5, 0.5]])
    assert identified(similarity).tolist() == [1.0, 0.0, 1 / 3]
    with pytest.raises(ValueError, match="as many layers on both sides"):
        identified(similarity[:2])


def test_pairs_of_networks_and_the_jackknife_over_networks():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4, 60, 5))
    good = [h + 0.1 * rng.normal(size=h.shape) for _ in range(3) for h in base]
    odd = list(base[::-1])  # a network whose layers stand in the reverse order
    values = every_pair(lambda a, b: -np.sum((a - b) ** 2), [*good, *odd], 4)
    assert np.isnan(values[:4, :4]).all()
    assert np.isfinite(values[:4, 4:]).all()
    shares = between_networks(values, 4)
    assert np.nansum(shares[:3, :3]) == 6
    assert np.nansum(shares[3]) == 0
    found = over_networks(values, 4)
    assert found.value == pytest.approx(6 / 12)
    assert found.without.tolist() == pytest.approx([2 / 6, 2 / 6, 2 / 6, 1])


def test_fitted_similarities_against_angles_least_squares_and_a_loop():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 6)) @ rng.normal(size=(6, 6))
    y = np.concatenate([x[:, :2] + rng.normal(size=(80, 2)), rng.normal(size=(80, 2))], axis=1)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    found = fitted_similarities(Span.of(x), Span.of(y))
    rho = np.cos(subspace_angles(x, y))
    assert found.cca == pytest.approx(rho.mean(), abs=1e-9)
    assert found.r2_cca == pytest.approx((rho**2).mean(), abs=1e-9)
    left = x - y @ np.linalg.lstsq(y, x, rcond=None)[0]
    assert found.regression == pytest.approx(1 - (left**2).sum() / (x**2).sum())
    qx, qy = np.linalg.qr(x)[0], np.linalg.qr(y)[0]
    u, s, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
    weight = [sum(abs(h @ column) for column in x.T) for h in (qx @ u).T]
    assert found.pwcca == pytest.approx(np.average(s, weights=weight))


def test_they_ignore_invertible_maps_and_cannot_tell_noise_from_a_copy():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(50, 5)), rng.normal(size=(50, 7))
    bent = x @ (rng.normal(size=(5, 5)) * np.logspace(0, -3, 5))
    assert fitted_similarities(Span.of(x), Span.of(y)).cca == pytest.approx(
        fitted_similarities(Span.of(bent), Span.of(y)).cca
    )
    noise = [rng.normal(size=(50, 60)) for _ in range(2)]
    basis = [np.linalg.svd(side - side.mean(axis=0))[0][:, :49] for side in noise]
    rho = np.linalg.svd(basis[0].T @ basis[1], compute_uv=False)
    assert rho.min() == pytest.approx(1)
    assert fitted_similarities(*map(Span.of, noise)) == (1, 1, 1, 1)
    almost = fitted_similarities(Span.of(noise[0]), Span.of(noise[1][:, :45]))
    assert almost.cca == pytest.approx(1)
    assert almost.regression < 1
    assert max(fitted_similarities(Span.of(x), Span.of(y))) < 0.7


def test_a_share_of_the_variance_and_refusals():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 4)) * [10, 10, 0.1, 0.1]
    assert len(Span.of(x, variance=0.99).sizes) == 2
    assert len(Span.of(x).sizes) == 4
    with pytest.raises(ValueError, match="variance must be in"):
        Span.of(x, variance=0.0)
    with pytest.raises(ValueError, match="does not vary"):
        Span.of(np.ones((10, 3)))
    with pytest.raises(ValueError, match="give the same items"):
        fitted_similarities(Span.of(x), Span.of(x[:100]))


def test_networks_have_as_many_layers():
    for sides, networks in ((5, 2), (4, 0), (0, 2)):
        with pytest.raises(
            ValueError, match=f"{sides} layers are not as many in each of {networks}"
        ):
            every_pair(lambda a, b: a * b, list(range(sides)), networks)
    with pytest.raises(ValueError, match="one network has no other"):
        every_pair(lambda a, b: a * b, [1, 2], 1)
    with pytest.raises(ValueError, match="between_networks: 5 layers are not as many"):
        between_networks(np.eye(5), 2)
