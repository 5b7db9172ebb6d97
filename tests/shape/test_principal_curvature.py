"""Principal curvatures: spheres, planes and saddles, and pictures that fade."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from inscape.shape.principal_curvature import (
    bent,
    faded,
    known_curvature,
    mean_curvature,
    principal_curvatures,
)


def cap(d: int, radius: float, k: int, reach: float, rng: np.random.Generator) -> np.ndarray:
    """Points of a sphere near its pole, (k, d + 1)."""
    t = rng.normal(size=(k, d)) * reach * radius
    return np.hstack([t, np.sqrt(radius**2 - (t**2).sum(axis=1, keepdims=True))])


@pytest.mark.parametrize(("d", "radius"), [(1, 1.0), (2, 0.5), (2, 4.0), (4, 2.0)])
def test_a_sphere_has_one_over_its_radius_in_any_embedding(d, radius):
    rng = np.random.default_rng(0)
    pole = np.r_[np.zeros(d), radius]
    near = cap(d, radius, 200, 0.05, rng)
    found = principal_curvatures(pole, near, d)
    assert found.shape == (1, d)
    assert np.abs(found) == pytest.approx(1 / radius, rel=0.03)
    turn = ortho_group.rvs(12, random_state=0)[: d + 1]
    turned = mean_curvature((pole @ turn)[None], (near @ turn)[None], d)
    assert turned == pytest.approx(1 / radius, rel=0.03)


def test_a_plane_is_flat_and_a_saddle_bends_both_ways():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(1, 100, 2)) @ ortho_group.rvs(5, random_state=1)[:2]
    assert mean_curvature(np.zeros((1, 5)), plane, 2) == 0
    t = 0.05 * rng.normal(size=(300, 2))
    saddle = np.hstack([t, (t[:, :1] ** 2 - 3 * t[:, 1:] ** 2) / 2])
    found = principal_curvatures(np.zeros(3), saddle, 2)[0]
    assert sorted(np.sort(found) * np.sign(found[np.abs(found).argmax()])) == pytest.approx(
        [-1, 3], abs=0.05
    )


@given(scale=st.floats(0.1, 10), seed=st.integers(0, 99))
def test_curvature_is_per_length(scale, seed):
    rng = np.random.default_rng(seed)
    pole, near = np.array([[0.0, 0.0, 1.0]]), cap(2, 1.0, 60, 0.1, rng)[None]
    one = mean_curvature(pole, near, 2)
    assert one > 0.9
    assert mean_curvature(scale * pole, scale * near, 2) == pytest.approx(one / scale, rel=1e-6)


@pytest.mark.parametrize(("k", "d"), [(4, 2), (30, 0)])
def test_a_fit_needs_neighbours_and_a_dimension(k, d):
    with pytest.raises(ValueError, match=f"{k} neighbours for dimension {d}"):
        principal_curvatures(np.zeros(3), np.random.default_rng(0).normal(size=(k, 3)), d)


def test_faded_pictures_keep_their_large_singular_values():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3, 8, 8))
    made = faded(images, 20, 3, rng=rng)
    assert made.shape == (2, 20, 3, 8, 8)
    before, after = (np.linalg.svd(x, compute_uv=False) for x in (images, made))
    assert np.allclose(after[..., :5], before[:, None, :, :5])
    share = np.sort((after[:, :, 0] / before[:, None, 0])[..., 5:].ravel())
    assert share[-1] < 1.2
    assert share[0] < 0.1
    with pytest.raises(ValueError, match="9 parts were asked of 8 singular values"):
        faded(images, 2, 9, rng=rng)


def test_the_estimator_is_right_where_curvature_is_known():
    found = known_curvature(200, rng=np.random.default_rng(0))
    assert 1e-6 < found.sphere < 0.05
    assert found.plane < 1e-9
    crude = known_curvature(14, rng=np.random.default_rng(0))  # as many neighbours as terms
    assert crude.sphere > found.sphere


def test_bent_is_curvature_spread_and_dimension_of_the_same_states():
    rng = np.random.default_rng(0)
    states = cap(2, 1.0, 400, 0.1, rng)
    near = np.stack([x + 0.01 * (states[:60] - states[:60].mean(0)) for x in states[:3]])
    found = bent(states, np.array([0, 1, 2]), near, most=3)
    d = int(np.clip(round(found.dimension), 1, 3))
    assert d == 2
    assert found.curvature == pytest.approx(mean_curvature(states[:3], near, d).mean())
    assert found.scaled == pytest.approx(found.curvature * np.sqrt(states.var(axis=0).sum()))
    assert bent(states, np.array([0, 1, 2]), near, most=1).curvature != found.curvature
