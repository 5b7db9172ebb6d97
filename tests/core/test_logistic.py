"""The batched solver against scikit-learn at the same optimum."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from inscape.core import logistic, ridge


def world(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.exp(0.5 * rng.normal(size=d))
    return x, (x @ rng.normal(size=(d, k)) + 2 * rng.normal(size=(n, k))).argmax(axis=1)


def sklearn_fit(x, y, c):
    return LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(x, y)


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize(("n", "d"), [(120, 10), (30, 50)])
def test_each_column_reaches_scikit_learns_optimum(k, n, d):
    x, y = world(n, d, k)
    other = np.random.default_rng(1).permutation(y)
    basis = ridge.Rows(x).basis()
    labels = logistic.one_hot(np.stack([y, other, y], axis=1), k)
    found = logistic.fit(basis.z, basis.w, labels, np.array([1.0, 1.0, 50.0]), tol=1e-8)
    assert (found.gradient <= 1e-8).all()
    for column, (target, c) in enumerate([(y, 1.0), (other, 1.0), (y, 0.02)]):
        theirs = sklearn_fit(x, target, c)
        assert np.allclose((basis.v @ found.beta[1:, column]).T, theirs.coef_, atol=1e-5)


def test_masked_rows_do_not_train():
    x, y = world(60, 8, 2)
    basis = ridge.Rows(x).basis()
    mask = np.ones((60, 2))
    mask[:20, 1] = 0
    labels = logistic.one_hot(np.stack([y, y], axis=1), 2)
    found = logistic.fit(basis.z, basis.w, labels, np.ones(2), mask=mask, tol=1e-8)
    assert np.allclose(
        (basis.v @ found.beta[1:, 1]).T, sklearn_fit(x[20:], y[20:], 1.0).coef_, atol=1e-5
    )
    assert not np.allclose(found.beta[:, 0], found.beta[:, 1], atol=1e-2)


def test_a_column_stops_at_the_tolerance_whatever_else_is_fitted():
    x, y = world(90, 20, 2)
    hard = np.stack([y, np.random.default_rng(2).permutation(y), (x[:, 0] > 0).astype(int)], axis=1)
    basis, penalties = ridge.Rows(x).basis(), np.array([100.0, 10.0, 1e-3])
    mask = np.arange(90)[:, None] % 3 != np.arange(3)
    together = logistic.fit(
        basis.z, basis.w, logistic.one_hot(hard, 2), penalties, mask=mask, tol=1e-2
    )
    for i in range(3):
        alone = logistic.fit(
            basis.z,
            basis.w,
            logistic.one_hot(hard[:, [i]], 2),
            penalties[[i]],
            mask=mask[:, [i]],
            tol=1e-2,
        )
        assert np.allclose(alone.beta[:, 0], together.beta[:, i], rtol=1e-9, atol=1e-12)
        assert alone.gradient[0] == pytest.approx(together.gradient[i], rel=1e-6)
    assert (
        together.iterations
        > 2
        * logistic.fit(
            basis.z,
            basis.w,
            logistic.one_hot(hard[:, [0]], 2),
            penalties[[0]],
            mask=mask[:, [0]],
            tol=1e-2,
        ).iterations
    )


def test_a_basis_of_all_rows_gives_the_optimum_of_the_rows_that_train():
    """Penalised loss does not depend on the basis, so rows left out may have helped to make it."""
    x, y = world(80, 12, 2)
    train = np.arange(80) % 4 != 0
    basis = ridge.Rows(x).basis()
    fitted = logistic.fit(
        basis.z,
        basis.w,
        logistic.one_hot(y[:, None], 2),
        np.array([2.0]),
        mask=train[:, None],
        tol=1e-8,
    )
    theirs = sklearn_fit(x[train], y[train], 0.5)
    assert np.allclose(
        fitted.logits(basis.project(x[~train]))[:, 0, 0],
        theirs.decision_function(x[~train]),
        atol=1e-5,
    )


@pytest.mark.parametrize("k", [2, 3])
def test_penalties_and_inner_folds_may_differ_by_column(k):
    x, y = world(60, 6, k)
    basis, labels = ridge.Rows(x).basis(), logistic.one_hot(np.stack([y, y], axis=1), k)
    parts = np.stack(
        [np.arange(60) % 3, np.where(np.arange(60) < 20, -1, np.arange(60) % 4)], axis=1
    )
    grid = np.array([[30.0, 20.0], [3.0, 2.0]])
    both, _ = logistic.choose(basis.z, basis.w, labels, grid, parts, tol=1e-8, max_iter=2000)
    for i in range(2):
        alone, _ = logistic.choose(
            basis.z, basis.w, labels[:, [i]], grid[:, i], parts[:, i], tol=1e-8, max_iter=2000
        )
        assert np.allclose(alone[:, 0], both[:, i], rtol=1e-6)
    kept = parts[:, 1] >= 0
    rows = ridge.Rows(x[kept]).basis()
    refit, _ = logistic.choose(
        rows.z, rows.w, labels[kept][:, [1]], grid[:, 1], parts[kept, 1], tol=1e-8, max_iter=2000
    )
    assert np.allclose(refit[:, 0], both[:, 1], rtol=1e-5)


def test_fold_numbers_mark_rows_that_no_fold_names():
    assert logistic.fold_numbers(5, [np.array([0, 3]), np.array([4])]).tolist() == [0, -1, -1, 0, 1]


@pytest.mark.parametrize("k", [2, 3])
def test_held_out_losses_equal_refitting(k):
    x, y = world(90, 6, k)
    basis = ridge.Rows(x).basis()
    inner = [np.arange(90)[i::3] for i in range(3)]
    penalties = np.array([100.0, 10.0, 1.0])
    losses, starts = logistic.choose(
        basis.z,
        basis.w,
        logistic.one_hot(y[:, None], k),
        penalties,
        logistic.fold_numbers(90, inner),
        tol=1e-8,
        max_iter=2000,
    )
    for i, penalty in enumerate(penalties):
        slow = 0.0
        for held in inner:
            kept = np.setdiff1d(np.arange(90), held)
            model = sklearn_fit(x[kept], y[kept], 1 / penalty)
            slow += log_loss(
                y[held], model.predict_proba(x[held]), normalize=False, labels=range(k)
            )
        assert losses[i, 0] == pytest.approx(slow, rel=1e-5)
    assert starts.shape == (3, 7, 1, max(1, k if k > 2 else 1))


def test_a_column_past_its_minimum_leaves_the_path_and_the_others_go_on():
    x, y = world(80, 60, 2)
    noise = np.random.default_rng(3).permutation(y)
    basis = ridge.Rows(x).basis()
    labels = logistic.one_hot(np.stack([(x[:, 0] > 0).astype(int), noise], axis=1), 2)
    penalties = basis.rms**2 / np.logspace(-3, 1, 9)
    losses, _ = logistic.choose(basis.z, basis.w, labels, penalties, np.arange(80) % 4)
    assert np.isinf(losses[-1, 1])
    assert np.isfinite(losses[:, 0]).sum() > np.isfinite(losses[:, 1]).sum()
    assert np.isfinite(losses.min(axis=0)).all()


def test_one_class_only_ends_with_certainty_rather_than_an_error():
    x, _ = world(30, 4, 2)
    basis = ridge.Rows(x).basis()
    found = logistic.fit(
        basis.z, basis.w, logistic.one_hot(np.ones((30, 1), dtype=int), 2), np.ones(1), tol=1e-4
    )
    assert (found.logits(basis.z) > 5).all()


@pytest.mark.parametrize("k", [2, 3])
def test_rows_that_are_all_alike_give_the_shares_of_the_classes(k):
    """The embedding of a last token that is a full stop everywhere: no direction, and still an
    answer.
    """
    y = np.arange(30) % k
    basis = ridge.Rows(np.ones((30, 5))).basis()
    assert len(basis.w) == 0
    labels = logistic.one_hot(y[:, None], k)
    losses, starts = logistic.choose(basis.z, basis.w, labels, np.array([1.0]), np.arange(30) // 6)
    assert losses[0, 0] == pytest.approx(30 * np.log(k), rel=0.2)
    found = logistic.fit(basis.z, basis.w, labels, np.ones(1), start=starts[0])
    assert np.allclose(found.logits(basis.z), found.logits(basis.z)[0])


def test_a_column_at_its_optimum_stays_there_while_others_are_fitted():
    # exact in binary: the first column's gradient is zero to the last bit, and so is every later
    # direction
    z = np.tile([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], (8, 1))
    even = np.tile([1, 0, 0, 1], 8)
    hard, other = (z > 0).astype(int).T.copy()
    hard[[0, 5, 7]] ^= 1
    other[[1, 3, 8]] ^= 1
    labels = logistic.one_hot(np.stack([even, hard, other, 1 - hard], axis=1), 2)
    found = logistic.fit(z, np.full(2, 32.0), labels, np.ones(4), tol=1e-8)
    assert (found.beta[:, 0] == 0).all()
    assert (np.abs(found.beta[1:, 1:]).max(axis=(0, 2)) > 0.5).all()
    assert (found.gradient <= 1e-8).all()
    assert found.iterations > 2
