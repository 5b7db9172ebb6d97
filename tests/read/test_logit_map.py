"""The linear map between two questions' logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, RidgeCV

from inscape.core.ridge import ALPHAS
from inscape.read.logit_map import (
    LogitMap,
    column_pearson,
    fit_logit_map,
    held_out_r,
    without_first_component,
)

#: city → country, two cities each
PAIRS = np.array([[0, 0], [1, 0], [2, 1], [3, 1], [4, 2], [5, 2]])


def tied(seed=0, n=400, noise=0.5):
    rng = np.random.default_rng(seed)
    y1 = rng.normal(size=(n, 6)) + rng.normal(size=(n, 1))
    w = np.zeros((6, 3))
    w[PAIRS[:, 0], PAIRS[:, 1]] = 1.0
    return y1, y1 @ w + 2 + noise * rng.normal(size=(n, 3)), w


def test_a_tie_is_found_and_shuffled_subjects_have_none():
    y1, y2, w = tied()
    train = np.arange(400) < 200
    found = fit_logit_map(y1[train], y2[train])
    assert np.abs(found.weight - w).max() < 0.2
    assert column_pearson(y2[~train], found(y1[~train])).min() > 0.8
    assert found.precise(PAIRS).all()
    order = np.random.default_rng(1).permutation(200)
    loose = fit_logit_map(y1[train][order], y2[train])
    assert np.abs(column_pearson(y2[~train], loose(y1[~train]))).max() < 0.3
    assert loose.precise(PAIRS).mean() < 0.8


def test_held_out_r_is_high_where_tied_and_near_zero_where_subjects_are_mixed():
    y1, y2, _ = tied()
    train = np.arange(400) < 200
    assert held_out_r(y1, y2, train) > 0.8
    mixed = np.random.default_rng(1).permutation(400)
    assert abs(held_out_r(y1[mixed], y2, train)) < 0.3


def test_same_as_scikit_learn():
    y1, y2, _ = tied()
    ours, theirs = fit_logit_map(y1, y2), LinearRegression().fit(y1, y2)
    assert np.allclose(ours.weight, theirs.coef_.T)
    assert np.allclose(ours.bias, theirs.intercept_)
    assert np.allclose(ours(y1), theirs.predict(y1))
    few = fit_logit_map(y1[:5], y2[:5], ALPHAS)
    assert np.isfinite(few.weight).all()
    assert few.weight.shape == RidgeCV().fit(y1[:5], y2[:5]).coef_.T.shape


def test_an_output_that_every_row_favours_counts_for_none():
    w = np.zeros((4, 3))
    w[:, 2] = 10.0
    w[0, 0] = 1.0
    found = LogitMap(w, np.zeros(3))
    assert found.precise(np.array([[0, 0]])).tolist() == [True]
    assert found.precise(np.array([[0, 2]])).tolist() == [False]
    assert found.precise(np.array([[0, 2]]), k=3).tolist() == [True]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_pearson_is_that_of_numpy_and_ignores_shift_and_scale(seed, a, b):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 30, 3))
    expected = [np.corrcoef(x[:, j], y[:, j])[0, 1] for j in range(3)]
    assert np.allclose(column_pearson(x, y), expected)
    assert np.allclose(column_pearson(x, a * y + b), expected)


def test_without_its_first_component_nothing_lies_along_it():
    rng = np.random.default_rng(0)
    y = np.outer(rng.normal(size=100), [3.0, 3.0, 3.0]) + rng.normal(size=(100, 3)) + 5
    train = np.arange(100) < 50
    assert abs(np.corrcoef(y.T)[0, 1]) > 0.7
    rest = without_first_component(y, train)
    assert np.linalg.matrix_rank(rest[train], tol=1e-8) == 2
    assert np.abs(np.corrcoef(rest.sum(axis=1), y.sum(axis=1))[0, 1]) < 0.4


def test_refusals():
    y1, y2, _ = tied(n=6)
    with pytest.raises(ValueError, match="6 subjects cannot fix 7 coefficients"):
        fit_logit_map(y1, y2)
    with pytest.raises(ValueError, match="k must be at least 1"):
        LogitMap(np.eye(2), np.zeros(2)).precise(np.array([[0, 0]]), k=0)


def test_what_holds_nan_has_no_correlation():
    y = np.array([[1.0, 5.0], [2.0, np.nan], [4.0, 1.0]])
    found = column_pearson(y, np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 5.0]]))
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])


def test_held_out_subjects_are_told_by_a_mask():
    y = np.random.default_rng(0).normal(size=(8, 2))
    mask = np.arange(8) < 5
    assert held_out_r(y, y, mask.astype(int)) == held_out_r(y, y, mask)
    for train, message in (
        (np.arange(8) < 7, "7 subjects to fit on and 1 held out"),
        (np.arange(8) < 1, "1 subjects to fit on and 7 held out"),
        (np.arange(8), "train must say True or False of each of 8 rows"),
        (np.arange(5), "train must say True or False of each of 8 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            held_out_r(y, y, train)
