"""Spans and the Fantope: nearest points, their limits, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.core.projection import affine_of, capped_simplex, fantope, span


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 7), st.integers(0, 7), st.integers(0, 1000))
def test_the_fantope_point_is_feasible_and_nearest(d, k, seed):
    k, rng = min(k, d), np.random.default_rng(seed)
    a = rng.normal(size=(d, d))
    a = a + a.T
    near = fantope(a, k)
    w = np.linalg.eigvalsh(near)
    assert w.min() > -1e-9
    assert w.max() < 1 + 1e-9
    assert np.trace(near) == pytest.approx(k, abs=1e-8)
    for _ in range(5):
        q = np.linalg.qr(rng.normal(size=(d, d)))[0][:, :k]
        assert np.linalg.norm(a - near) <= np.linalg.norm(a - q @ q.T) + 1e-9
    assert np.allclose(fantope(near, k), near, atol=1e-8)


def test_a_projection_is_its_own_nearest_point_and_rank_is_kept():
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 2)))[0]
    assert np.allclose(fantope(q @ q.T, 2), q @ q.T)
    assert not np.allclose(fantope(q @ q.T, 3), q @ q.T, atol=0.01)


def test_a_span_drops_what_repeats_and_an_affine_removes_it():
    rows = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    basis = span(rows)
    assert basis.shape == (1, 3)
    assert span(np.zeros((2, 3))).shape == (0, 3)
    weight, bias = affine_of(basis, np.array([0.0, 2.0, 5.0]))
    x = np.array([3.0, 1.0, 7.0])
    assert (weight @ x + bias).tolist() == pytest.approx([2.0, 0.0, 7.0])


def test_refusals():
    with pytest.raises(ValueError, match="capped_simplex: k must be 0 to 2, got 3"):
        capped_simplex(np.zeros(2), 3)
