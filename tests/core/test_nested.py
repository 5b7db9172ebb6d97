"""Nested logistic fits against scikit-learn, one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from inscape.core import nested

SIZES = (1, 2, 3, 5, 8)


def world(p=2, n=120, m=8, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(p, n, m))
    return x, (x[:, :, 0] + x[:, :, 3] + rng.normal(size=(p, n)) > 0).astype(float)


@pytest.mark.parametrize("balanced", [False, True])
def test_every_size_of_every_problem_reaches_scikit_learns_optimum(balanced):
    x, y = world()
    y[:, :60] = np.minimum(y[:, :60], y[:, 60:])  # fewer ones than zeros
    weight = np.where(
        y == 1, 0.5 / y.mean(axis=1, keepdims=True), 0.5 / (1 - y.mean(axis=1, keepdims=True))
    )
    found = nested.fit(
        x, y, SIZES, np.array([1.0, 20.0]), weight=weight if balanced else None, tol=1e-9
    )
    assert found.gradient.max() <= 1e-9
    for p, penalty in enumerate((1.0, 20.0)):
        for s, k in enumerate(SIZES):
            theirs = LogisticRegression(
                C=1 / penalty,
                tol=1e-12,
                max_iter=10_000,
                class_weight="balanced" if balanced else None,
            ).fit(x[p, :, :k], y[p])
            assert np.allclose(found.coef[p, s, :k], theirs.coef_[0], atol=1e-5)
            assert not found.coef[p, s, k:].any()
            assert np.allclose(
                found.logits(x)[p, :, s], theirs.decision_function(x[p, :, :k]), atol=1e-4
            )


def test_a_row_of_no_weight_does_not_train():
    x, y = world(p=1)
    weight = np.ones_like(y)
    weight[:, :50] = 0
    with_zeros = nested.fit(x, y, SIZES, 1.0, weight=weight, tol=1e-9)
    without = nested.fit(x[:, 50:], y[:, 50:], SIZES, 1.0, tol=1e-9)
    assert np.allclose(with_zeros.coef, without.coef, atol=1e-6)
    assert not np.allclose(with_zeros.coef, nested.fit(x, y, SIZES, 1.0, tol=1e-9).coef, atol=1e-2)


def test_separable_classes_and_coordinates_that_repeat_still_end():
    x, _ = world(p=1, n=60)
    x[:, :, 1] = x[:, :, 0]
    x[:, :, 2] = 0.0
    found = nested.fit(x, (x[:, :, 0] > 0).astype(float), SIZES, 1e-3, tol=1e-7)
    assert found.gradient.max() <= 1e-7
    assert ((found.logits(x)[0, :, -1] > 0) == (x[0, :, 0] > 0)).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), k=st.integers(1, 8))
def test_a_size_does_not_depend_on_the_sizes_beside_it(seed, k):
    x, y = world(p=1, n=50, seed=seed)
    y[:, 0], y[:, 1] = 0, 1
    alone = nested.fit(x, y, (k,), 1.0, tol=1e-9)
    among = nested.fit(x, y, range(1, 9), 1.0, tol=1e-9)
    assert np.allclose(alone.coef[:, 0], among.coef[:, k - 1], atol=1e-6)


def test_refusals():
    x, y = world()
    with pytest.raises(ValueError, match="sizes must lie between 1 and 8"):
        nested.fit(x, y, (0, 9), 1.0)
    with pytest.raises(ValueError, match="the penalty must be positive"):
        nested.fit(x, y, (1,), 0.0)
