"""Discriminants from moments against scikit-learn on the rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from inscape.core.centred import Centred
from inscape.core.discriminant import discriminants, ledoit_wolf


def clouds(n=300, d=6, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    shape = rng.normal(size=(d, d))
    return rng.normal(size=(k, d))[y] + rng.normal(size=(n, d)) @ shape, y


def moments(x, y):
    return [Centred.of(x[y == c]) for c in np.unique(y)]


def test_unshrunk_scores_are_scikit_learns():
    x, y = clouds()
    found = discriminants(moments(x, y), 0.0)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    ours, ref = x @ found.coef.T + found.intercept, theirs.decision_function(x)
    assert np.allclose(ours - ours[:, :1], ref - ref[:, :1], atol=1e-8)


def test_automatic_shrinkage_is_ledoit_and_wolfs():
    x, y = clouds(n=40, d=30)
    within = x - np.stack([x[y == c].mean(axis=0) for c in range(3)])[y]
    covariance = within.T @ within / len(x)
    quartic = float(((within**2).sum(axis=1) ** 2).sum())
    want = ledoit_wolf_shrinkage(within, assume_centered=True)
    assert ledoit_wolf(covariance, float(np.trace(covariance)) / 30, 40, quartic) == pytest.approx(
        want
    )
    assert discriminants(moments(x, y)).shrinkage == pytest.approx(want)
    assert want > 0.01


def test_fewer_rows_than_directions_take_the_pseudo_inverse_and_stay_finite():
    x, y = clouds(n=12, d=40)
    found = discriminants(moments(x, y), 0.0)
    assert np.isfinite(found.coef).all()
    assert np.linalg.matrix_rank(found.coef) <= 12
    assert ledoit_wolf(np.eye(3), 1.0, 5, 3.0) == 0.0


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_turn_and_a_shift_of_the_space_change_no_score(seed):
    x, y = clouds(n=60, seed=seed)
    rng = np.random.default_rng(seed)
    turn, shift = np.linalg.qr(rng.normal(size=(6, 6)))[0], 50 * rng.normal(size=6)
    plain, moved = discriminants(moments(x, y)), discriminants(moments(x @ turn + shift, y))
    assert np.allclose(
        x @ plain.coef.T + plain.intercept,
        (x @ turn + shift) @ moved.coef.T + moved.intercept,
        atol=1e-6,
    )


def test_refusals():
    x, y = clouds()
    with pytest.raises(ValueError, match="at least two classes, all of one width"):
        discriminants(moments(x, y)[:1])
    with pytest.raises(ValueError, match="shrinkage must be 'auto' or between 0 and 1"):
        discriminants(moments(x, y), 1.5)
