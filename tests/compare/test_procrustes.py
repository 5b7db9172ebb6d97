"""Procrustes and shape distances: the best rotation, a metric, chance, held-out rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes

from inscape.compare.canonical import CanonicalCorrelation
from inscape.compare.procrustes import Procrustes, shape_distance
from tests.compare.references import pair, rotation


def test_it_is_the_nuclear_norm_and_the_rotation_of_scipy():
    x, y = pair(60, 5, 5)
    a, b = (s - s.mean(0) for s in (x, y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    r, total = orthogonal_procrustes(a, b)
    assert np.cos(shape_distance(x, y)) == pytest.approx(total, abs=1e-10)
    found = Procrustes().fit(x, y)
    np.testing.assert_allclose(found.rotation_, r, atol=1e-8)
    assert found.score(x, y) == pytest.approx(total, abs=1e-10)


def test_near_identity_keeps_its_digits():
    x, _ = pair()
    moved = x @ rotation(7)
    assert shape_distance(x, moved) < 1e-12
    noise = 1e-9 * np.random.default_rng(0).normal(size=x.shape)
    assert 1e-11 < shape_distance(x, moved + noise) < 1e-8


@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.5, 0.0]))
@settings(max_examples=20, deadline=None)
def test_it_is_a_distance_and_ignores_rotation_scale_and_shift(seed, alpha):
    x, y = pair(40, seed=seed)
    z = pair(40, 6, 4, seed=seed + 1)[0]
    d = shape_distance(x, y, alpha=alpha)
    assert d == pytest.approx(shape_distance(y, x, alpha=alpha), abs=1e-8)
    assert d <= shape_distance(x, z, alpha=alpha) + shape_distance(z, y, alpha=alpha) + 1e-9
    if alpha == 1:
        assert shape_distance(4 * x @ rotation(7, seed) - 2, y) == pytest.approx(d, abs=1e-8)


def test_alpha_zero_is_canonical_correlation():
    x, y = pair(200, 5, 5)
    rho = CanonicalCorrelation().fit(x, y).correlations_
    assert np.cos(shape_distance(x, y, alpha=0.0)) == pytest.approx(rho.mean(), abs=1e-8)
    assert np.cos(shape_distance(x, y)) != pytest.approx(rho.mean(), abs=0.02)


@pytest.mark.parametrize(("d", "similarity"), [(20, 0.27), (200, 0.75), (2000, 0.975)])
def test_unrelated_sides_are_too_near_where_they_are_fitted_and_not_where_they_are_held_out(
    d, similarity
):
    n, rng = 200, np.random.default_rng(0)
    x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
    a, b = (s - s.mean(0) for s in (x, y))
    if d < 1000:
        assert np.cos(shape_distance(x, y)) == pytest.approx(similarity, abs=0.02)
        half = n // 2
        assert abs(Procrustes().fit(x[:half], y[:half]).score(x[half:], y[half:])) < 0.06
    else:  # the nuclear norm alone, without a rotation of 2,000 × 2,000
        left, right = (
            np.linalg.cholesky(a @ a.T + 1e-9 * np.eye(n)),
            np.linalg.cholesky(b @ b.T + 1e-9 * np.eye(n)),
        )
        total = np.linalg.svd(left.T @ right, compute_uv=False).sum()
        assert total / np.linalg.norm(a) / np.linalg.norm(b) == pytest.approx(similarity, abs=0.02)


def test_it_brings_held_out_rows_across_with_their_scale():
    x, _ = pair(100)
    y = 2.5 * x @ rotation(7) + 4
    found = Procrustes().fit(x[:50], y[:50])
    np.testing.assert_allclose(found.transform(x[50:]), y[50:], atol=1e-9)
    assert found.factor_ == pytest.approx(2.5)
    assert Procrustes(scale=False).fit(x[:50], y[:50]).factor_ == 1
    assert found.score(x[50:], y[50:]) == pytest.approx(1)
    assert found.score(x[50:], y[50:][::-1]) < 0.5


def test_what_is_not_defined_is_refused():
    x, y = pair()
    with pytest.raises(ValueError, match="alpha must be between 0 and 1, got 2"):
        shape_distance(x, y, alpha=2.0)
    with pytest.raises(ValueError, match="one side does not vary"):
        shape_distance(x, np.ones_like(y))


def test_directions_that_no_fitted_row_has_are_moved_to_zero_whatever_rounding_says():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(5, 12)), rng.normal(size=(5, 12))
    new = rng.normal(size=(9, 12))
    found = Procrustes().fit(x, y).transform(new)
    # the same rows in another order, and in coordinates that were turned, give the same
    order = rng.permutation(5)
    np.testing.assert_allclose(
        Procrustes().fit(x[order], y[order]).transform(new), found, atol=1e-10
    )
    turn = rotation(12)
    turned = Procrustes().fit(x @ turn, y).transform(new @ turn)
    np.testing.assert_allclose(turned, found, atol=1e-10)
    away = np.linalg.svd(x - x.mean(0))[2][5:]
    np.testing.assert_allclose(away @ Procrustes().fit(x, y).rotation_, 0, atol=1e-10)
    s = np.linalg.svd(Procrustes().fit(x, y).rotation_, compute_uv=False)
    np.testing.assert_allclose(s, [1] * 4 + [0] * 8, atol=1e-10)
