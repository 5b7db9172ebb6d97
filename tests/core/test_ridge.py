"""The batched solver against scikit-learn and against refitting without each group."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV

from inscape.core import ridge

ALPHAS = np.logspace(-3, 5, 9)


def world(n, d, t=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.exp(rng.normal(size=d)) + 5
    return x, x[:, :1] * np.arange(t) + 2 * rng.normal(size=(n, t))


@pytest.mark.parametrize(("n", "d"), [(90, 20), (40, 40), (41, 40), (25, 60)])
def test_leave_one_out_equals_scikit_learn_with_the_same_choice(n, d):
    x, y = world(n, d)
    theirs = RidgeCV(alphas=ALPHAS, alpha_per_target=True, store_cv_results=True).fit(x, y)
    basis = ridge.Rows(x).basis()
    ours = ridge.fit(basis, y, ALPHAS, scale=False)
    assert len(set(ours.alpha)) > 1  # the targets do ask for different penalties
    assert np.array_equal(ours.alpha, theirs.alpha_)
    assert np.allclose(ours.errors.T / n, theirs.cv_results_.mean(axis=0), rtol=1e-6)
    new = world(10, d, seed=1)[0]
    assert np.allclose(ours.predict(basis.project(new)), theirs.predict(new), atol=1e-8)


@pytest.mark.parametrize(("n", "d", "k"), [(60, 10, 3), (30, 50, 5), (40, 20, 2)])
def test_leave_group_out_equals_refitting(n, d, k):
    x, y = world(n, d)
    groups = np.random.default_rng(2).permutation(n) % k
    found = ridge.fit(
        ridge.Rows(x).basis(),
        y,
        ALPHAS,
        inner=[np.flatnonzero(groups == g) for g in range(k)],
        scale=False,
    )
    slow, base = np.zeros_like(found.errors), np.zeros(y.shape[1])
    for g in range(k):
        held = groups == g
        base += ((y[held] - y[~held].mean(axis=0)) ** 2).sum(axis=0)
        for i, alpha in enumerate(ALPHAS):
            slow[i] += (
                (y[held] - Ridge(alpha=alpha).fit(x[~held], y[~held]).predict(x[held])) ** 2
            ).sum(axis=0)
    assert np.allclose(found.errors, slow, rtol=1e-7)
    assert np.array_equal(found.index, slow.argmin(axis=0))
    assert np.allclose(found.inner, 1 - slow.min(axis=0) / base)


@pytest.mark.parametrize("d", [15, 80])
def test_a_fold_from_the_shared_gram_equals_its_own(d):
    x, y = world(60, d)
    train, test = np.arange(15, 60), np.arange(15)
    rows = ridge.Rows(x.astype(np.float32))
    basis = rows.basis(train)
    alone = ridge.Rows(x.astype(np.float32)[train]).basis()
    assert np.allclose(basis.mean, alone.mean)
    assert np.isclose(basis.rms, np.sqrt(x[train].var(axis=0).mean()), rtol=1e-5)
    ours, theirs = ridge.fit(basis, y[train], [1.0]), ridge.fit(alone, y[train], [1.0])
    assert np.allclose(
        ours.predict(rows.project(basis, test)), theirs.predict(alone.project(x[test])), atol=1e-4
    )


def test_a_large_offset_loses_no_digits():
    x, y = world(80, 12)
    x += 1e5
    theirs = RidgeCV(alphas=ALPHAS, alpha_per_target=True).fit(x - 1e5, y)
    rows = ridge.Rows(x)
    train = np.arange(80)
    ours = ridge.fit(rows.basis(train), y, ALPHAS, scale=False)
    assert np.array_equal(ours.alpha, theirs.alpha_)
    assert np.allclose(
        ours.predict(rows.project(rows.basis(train), train)), theirs.predict(x - 1e5), atol=1e-6
    )


@settings(max_examples=15, deadline=None)
@given(st.floats(-3, 3), st.integers(0, 50))
def test_scaled_penalties_do_not_see_the_unit(exponent, seed):
    x, y = world(40, 8, seed=seed)
    one, other = (ridge.Rows(x * u).basis() for u in (1.0, 10**exponent))
    first, second = ridge.fit(one, y), ridge.fit(other, y)
    assert np.array_equal(first.index, second.index)
    assert np.allclose(first.predict(one.z), second.predict(other.z), atol=1e-6)


def test_columns_do_not_see_each_other_unless_they_share_a_penalty():
    x, y = world(50, 10)
    basis = ridge.Rows(x).basis()
    assert np.allclose(
        ridge.fit(basis, y, ALPHAS).coef[:, 1], ridge.fit(basis, y[:, 1:2], ALPHAS).coef[:, 0]
    )
    assert len(set(ridge.fit(basis, y, ALPHAS, shared=True).alpha)) == 1


def test_a_constant_representation_predicts_the_mean():
    y = np.arange(6.0)[:, None]
    basis = ridge.Rows(np.ones((6, 3))).basis()
    assert basis.z.shape == (6, 0)
    assert np.allclose(ridge.fit(basis, y).predict(basis.z), 2.5)
    assert ridge.fit(basis, y).inner[0] == pytest.approx(0.0)


@pytest.mark.parametrize("alphas", [[0.0], [1.0, -1.0], [], [np.nan]])
def test_penalties_must_be_positive(alphas):
    basis = ridge.Rows(world(10, 2)[0]).basis()
    with pytest.raises(ValueError, match="alphas must be positive"):
        ridge.fit(basis, np.zeros((10, 1)), alphas)
