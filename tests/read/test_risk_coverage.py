"""Risk and coverage: the best order, the worst, no order, and a slow clear version."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.read.risk_coverage import aurc, excess_aurc, risk_coverage


def test_the_best_order_has_no_excess_and_the_worst_has_most():
    right = np.array([1.0] * 70 + [0.0] * 30)
    assert excess_aurc(right, right) == 0.0
    rng = np.random.default_rng(0)
    chance = [aurc(rng.random(100), right) for _ in range(200)]
    assert aurc(right, right) < min(chance)
    assert aurc(1 - right, right) > max(chance)
    # a confidence that says nothing has the risk of all answers at any coverage
    assert aurc(np.full(100, 0.4), right) == pytest.approx(0.3)
    assert np.mean(chance) == pytest.approx(0.3, abs=0.02)


def test_against_a_loop():
    rng = np.random.default_rng(1)
    score, right = rng.normal(size=50), rng.integers(0, 2, 50).astype(float)
    order = np.argsort(-score)
    slow = [np.mean(1 - right[order[:k]]) for k in range(1, 51)]
    coverage, risk = risk_coverage(score, right)
    assert risk == pytest.approx(slow)
    assert coverage[-1] == 1.0


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_only_the_order_counts(seed, n):
    rng = np.random.default_rng(seed)
    score, right = rng.integers(0, 5, n).astype(float), rng.integers(0, 2, n).astype(float)
    shuffled = rng.permutation(n)
    assert aurc(np.exp(score), right) == pytest.approx(aurc(score, right))
    assert aurc(score[shuffled], right[shuffled]) == pytest.approx(aurc(score, right))
    assert excess_aurc(score, right) >= -1e-12


def test_what_is_refused():
    with pytest.raises(ValueError, match="one outcome for each confidence"):
        aurc(np.array([1.0]), np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("confidence", "right"), [(np.nan, 1.0), (0.5, -1.0), (0.5, 2.0), (0.5, np.nan)]
)
def test_what_is_no_outcome_has_no_risk(confidence, right):
    with pytest.raises(ValueError, match="a confidence is NaN, or an outcome is not between 0"):
        risk_coverage(np.array([0.9, confidence]), np.array([1.0, right]))
