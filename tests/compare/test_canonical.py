"""Canonical correlations: against their definition, their chance, the rank guard, held-out rows."""

import numpy as np
import pytest

from inscape.compare.canonical import CanonicalCorrelation
from inscape.compare.svcca import pwcca, svcca
from tests.compare.references import pair

pytestmark = pytest.mark.filterwarnings("ignore:CanonicalCorrelation")


def by_roots(x, y):
    """ρ from inverse square roots of the covariances, as the textbook has it."""
    a, b = x - x.mean(0), y - y.mean(0)

    def root(c):
        w, v = np.linalg.eigh(c)
        return (v / np.sqrt(w)) @ v.T

    return np.linalg.svd(root(a.T @ a) @ a.T @ b @ root(b.T @ b), compute_uv=False)


def test_they_are_those_of_the_definition_and_no_linear_map_changes_them():
    x, y = pair(120)
    found = CanonicalCorrelation().fit(x, y)
    np.testing.assert_allclose(found.correlations_, by_roots(x, y), atol=1e-10)
    m = np.random.default_rng(1).normal(size=(7, 7))
    again = CanonicalCorrelation().fit(x @ m + 3, y).correlations_
    np.testing.assert_allclose(again, found.correlations_, atol=1e-8)
    u, v = found.transform(x, y)
    np.testing.assert_allclose(u.T @ u, np.eye(5), atol=1e-10)
    np.testing.assert_allclose(u.T @ v, np.diag(found.correlations_), atol=1e-10)
    np.testing.assert_allclose(found.held_out(x, y), found.correlations_, atol=1e-10)


def test_chance_is_d_over_n_for_fitted_rows_and_nothing_for_held_out_ones():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 100)), rng.normal(size=(2000, 100))
    found = CanonicalCorrelation().fit(x[:1000], y[:1000])
    assert np.mean(found.correlations_**2) == pytest.approx(0.10, abs=0.005)
    assert found.chance_ == pytest.approx(0.10, abs=0.001)
    assert abs(found.score(x[1000:], y[1000:])) < 0.02
    assert found.correlations_[0] > 0.5


def test_shared_factors_are_found_on_held_out_rows():
    x, y = pair(600)
    found = CanonicalCorrelation().fit(x[:300], y[:300])
    held = found.held_out(x[300:], y[300:])
    assert held[:3].min() > 0.5
    assert np.abs(held[3:]).max() < 0.3


def test_a_rank_that_finds_ones_in_noise_is_refused_and_a_small_n_warned_of():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 20)), rng.normal(size=(30, 12))
    with pytest.raises(ValueError, match="ranks 20 and 12 add up to the 30 rows or more"):
        CanonicalCorrelation().fit(x, y)
    with pytest.warns(UserWarning, match="30 rows for 5 directions"):
        found = CanonicalCorrelation(rank=5).fit(x, y)
    assert found.ranks_ == (5, 5)
    with pytest.raises(ValueError, match="rank must be at least 1"):
        CanonicalCorrelation(rank=0).fit(x, y)
    with pytest.raises(ValueError, match="one side does not vary"):
        CanonicalCorrelation().fit(np.ones((30, 2)), y)


def test_svcca_and_pwcca_are_their_formulas():
    x, y = pair(120)
    assert svcca(x, y, variance=1.0) == pytest.approx(by_roots(x, y).mean(), abs=1e-10)
    x2 = np.concatenate([x, 1e-3 * np.random.default_rng(0).normal(size=(120, 1))], axis=1)
    kept = CanonicalCorrelation(variance=0.99).fit(x2, y)
    assert kept.ranks_[0] < 8
    found = CanonicalCorrelation().fit(x, y)
    h, centred = found.transform(x), x - x.mean(0)
    alpha = [sum(abs(h[:, i] @ centred[:, j]) for j in range(7)) for i in range(5)]
    expected = np.dot(alpha, found.correlations_) / np.sum(alpha)
    assert pwcca(x, y) == pytest.approx(expected, abs=1e-10)
    assert pwcca(x, y) != pytest.approx(pwcca(y, x), abs=1e-3)
