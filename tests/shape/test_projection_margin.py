"""Margins and the bound on misranking by random projections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.shape.projection_margin import (
    Misranking,
    margin,
    misranked,
    misranked_bound,
    misranking,
)


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


def test_misranking_leaves_out_queries_that_do_not_prefer_their_document():
    rng = np.random.default_rng(0)
    q, own, other = rng.normal(size=(3, 30, 40))
    own[:20] += q[:20]
    other[20:] += q[20:]
    found = misranking(q, own, other, (4, 16, 64), draws=30, rng=np.random.default_rng(1))
    ahead = margin(q, own, other) > 0
    assert 0 < ahead.sum() < 30
    assert (np.isnan(found.wrong) == ~ahead).all()
    sides = (q[ahead], own[ahead], other[ahead])
    slow = misranked(*sides, (4, 16, 64), draws=30, rng=np.random.default_rng(1))
    table = found.table()
    assert table["misranked"].tolist() == pytest.approx(slow.mean(axis=1).tolist())
    assert (table["pairs"] == ahead.sum()).all()
    assert (table["bound"] >= table["misranked"]).all()


def test_the_dimension_needed_lies_between_sizes_on_a_logarithmic_scale():
    wrong = np.array([[0.2, 0.2, 0.2], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]])
    found = Misranking((4, 16, 64), np.ones(3), wrong)
    assert found.needed(0.05).value == pytest.approx(32.0)
    assert found.needed(0.1).value == pytest.approx(16.0)
    assert Misranking((4, 16, 64), np.ones(3), wrong + 0.3).needed(0.05).value == 64.0


def test_unsigned_counts_give_what_their_floats_give():
    rng = np.random.default_rng(0)
    q, one, two = rng.integers(0, 3, size=(3, 20, 30)).astype(np.uint8)
    floats = [x.astype(np.float64) for x in (q, one, two)]
    assert (one < two).any()  # their difference would wrap around
    assert margin(q, one, two) == pytest.approx(margin(*floats), nan_ok=True)
    found, wanted = (
        misranked(*parts, [4, 16], draws=5, rng=np.random.default_rng(1))
        for parts in ((q, one, two), floats)
    )
    assert (found == wanted).all()


def test_the_bound_of_a_pair_that_is_not_preferred_is_one():
    assert misranked_bound(np.array([-0.9, 0.0, 0.9]), 100)[:2].tolist() == [1.0, 1.0]
    assert misranked_bound(np.array([0.9]), 100)[0] < 0.01
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        misranked_bound(np.array([0.5]), 0)


@pytest.mark.parametrize(("sizes", "draws"), [([], 3), ([0, 4], 3), ([4], 0)])
def test_projections_need_a_size_and_a_draw(sizes, draws):
    one = np.eye(3)
    with pytest.raises(ValueError, match="needs sizes of at least 1 and at least one draw"):
        misranked(one, one, one[::-1], sizes, draws=draws, rng=np.random.default_rng(0))
