"""What is fitted from moments is what the estimators fit from rows."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.centred import Centred
from inscape.core.from_moments import mass_mean_from_moments, ridge_from_moments, squared_errors
from inscape.core.joint import Joint
from inscape.read.mass_mean import MassMeanProbe
from inscape.read.ridge import RidgeProbe


def data(n: int = 150, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 40
    return x, x @ rng.normal(size=(d, 2)) + rng.normal(size=(n, 2)) * 3


def merged(x: np.ndarray, y: np.ndarray) -> tuple[Centred, Joint]:
    cut = len(x) // 3
    return Centred.of(x[:cut]) + Centred.of(x[cut:]), Joint.of(x[:cut], y[:cut]) + Joint.of(
        x[cut:], y[cut:]
    )


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("d", [8, 300])  # more columns than rows, too
def test_ridge_is_the_probe_of_every_penalty(scale, d):
    x, y = data(d=d)
    alphas = (1e-2, 1.0, 1e3)
    path = ridge_from_moments(*merged(x, y), alphas, scale=scale)
    for i, alpha in enumerate(alphas):
        probe = RidgeProbe((alpha,), scale=scale).fit(x, y)
        assert path.alphas[i] == pytest.approx(probe.alpha_[0])
        np.testing.assert_allclose(
            path.coef[i], probe.coef_, rtol=1e-8, atol=1e-8 * np.abs(probe.coef_).max()
        )
        np.testing.assert_allclose(path.intercept[i], probe.intercept_, rtol=1e-8)
    assert np.abs(path.coef[0] - path.coef[2]).max() > 1e-2


def test_errors_of_other_rows_choose_a_penalty():
    x, y = data()
    train, test = (x[:100], y[:100]), (x[100:], y[100:])
    path = ridge_from_moments(*merged(*train))
    found = squared_errors(path, Centred.of(test[0]), Joint.of(*test), Centred.of(test[1]))
    for i in range(len(path.alphas)):
        predicted = test[0] @ path.coef[i].T + path.intercept[i]
        np.testing.assert_allclose(found[i], ((test[1] - predicted) ** 2).sum(axis=0), rtol=1e-8)
    assert (found.min(axis=0) < 0.9 * found[-1]).all()


@pytest.mark.parametrize(
    "options", [{}, {"lda": True}, {"lda": True, "shrinkage": 0.3}, {"lda": True, "shrinkage": 0.0}]
)
def test_mass_mean_is_the_probe(options):
    x, y = data(60, 12)
    z = (y[:, 0] > np.quantile(y[:, 0], 0.3)).astype(int)
    probe = MassMeanProbe(**options).fit(x, z)
    halves = [(x[:25], z[:25]), (x[25:], z[25:])]
    classes = [
        Centred.of(halves[0][0][halves[0][1] == c]) + Centred.of(halves[1][0][halves[1][1] == c])
        for c in (0, 1)
    ]
    found = mass_mean_from_moments(*classes, **options)
    np.testing.assert_allclose(found.coef, probe.coef_[0], rtol=1e-8)
    assert found.intercept == pytest.approx(float(probe.intercept_[0]), rel=1e-8)
    assert np.mean((x @ found.coef + found.intercept > 0) == z) > 0.7


def test_one_feature_is_not_shrunk():
    x, y = data(40, 1)
    z = (y[:, 0] > np.median(y[:, 0])).astype(int)
    found = mass_mean_from_moments(Centred.of(x[z == 0]), Centred.of(x[z == 1]), lda=True)
    assert found.coef[0] == pytest.approx(MassMeanProbe(lda=True).fit(x, z).coef_[0, 0])


def test_what_does_not_fit_is_refused():
    x, y = data(20)
    with pytest.raises(ValueError, match="are not one set"):
        ridge_from_moments(Centred.of(x[1:]), Joint.of(x, y))
    with pytest.raises(ValueError, match="alphas must be positive"):
        ridge_from_moments(Centred.of(x), Joint.of(x, y), [0.0])
    with pytest.raises(ValueError, match=r"shrinkage must be 'auto' or between 0 and 1, got 2\.0"):
        mass_mean_from_moments(Centred.of(x), Centred.of(x + 1), lda=True, shrinkage=2.0)
