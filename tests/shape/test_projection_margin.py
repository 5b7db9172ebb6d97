"""Margins and the bound on misranking by random projections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.shape.projection_margin import margin, misranked, misranked_bound


@given(scale=st.floats(0.1, 10), seed=st.integers(0, 50))
def test_margin_has_no_unit_and_changes_sign_with_the_documents(scale, seed):
    q, a, b = np.random.default_rng(seed).normal(size=(3, 5, 8))
    mu = margin(q, a, b)
    assert np.abs(mu).max() <= 1 + 1e-12
    assert margin(scale * q, scale * a, scale * b) == pytest.approx(mu)
    assert margin(q, b, a) == pytest.approx(-mu)
    assert margin(q, q, 0 * q) == pytest.approx(1)
    assert np.isnan(margin(q, a, a)).all()


def test_the_bound_is_the_formula_and_at_most_one():
    assert misranked_bound(np.array([0.5]), 200)[0] == pytest.approx(
        4 * np.exp(-100 * (0.125 - 0.125 / 3))
    )
    assert misranked_bound(np.array([0.01]), 2)[0] == 1


def test_misranking_falls_with_dimensions_and_is_that_of_a_normal():
    rng = np.random.default_rng(0)
    q = rng.normal(size=(30, 400))
    # a margin of 0.2 exactly: the gap has 0.2 along the query and the rest across it
    unit = q / np.linalg.norm(q, axis=1, keepdims=True)
    across = rng.normal(size=q.shape)
    across -= (across * unit).sum(axis=1, keepdims=True) * unit
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    gap = 0.2 * unit + np.sqrt(1 - 0.04) * across
    assert margin(q, gap, 0 * gap) == pytest.approx(0.2)
    found = misranked(q, gap, 0 * gap, (4, 25, 100, 400), draws=200, rng=rng).mean(axis=1)
    assert (np.diff(found) < 0).all()
    # a sum of k products of mean μ and variance 1 + μ²
    from scipy.stats import norm

    expected = norm.cdf(-0.2 * np.sqrt([25, 100, 400]) / np.sqrt(1.04))
    assert found[1:] == pytest.approx(expected, abs=0.02)
    bound = [misranked_bound(np.array([0.2]), k)[0] for k in (4, 25, 100, 400)]
    assert (found <= bound).all()
