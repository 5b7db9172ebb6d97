"""Quadratic erasure: moments made equal, the quadratic reader blinded, the least move, and what is
refused.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

from inscape.control.leace import LeaceEraser
from inscape.control.quadratic_leace import QuadraticLeace, barycentre, transport


def classes(n=900, d=5, k=3, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, k, n)
    mixes = rng.normal(size=(k, d, d)) + np.arange(1, k + 1)[:, None, None] * np.eye(d)
    return np.einsum("nd,nde->ne", rng.normal(size=(n, d)), mixes[z]) + rng.normal(size=(k, d))[
        z
    ], z


def test_means_and_covariances_coincide_and_the_quadratic_reader_is_blind():
    x, z = classes()
    reader = QuadraticDiscriminantAnalysis(
        reg_param=1e-3
    )  # erasing linearly leaves fewer dimensions
    assert reader.fit(x, z).score(x, z) > 0.8
    linear = LeaceEraser().fit_transform(x, z)
    chance = np.bincount(z).max() / len(z)
    assert (
        reader.fit(linear, z).score(linear, z) > chance + 0.15
    )  # the linear eraser leaves the spread to be read
    erased = QuadraticLeace().fit(x, z).transform(x, z)
    for c in range(3):
        assert np.allclose(erased[z == c].mean(axis=0), erased.mean(axis=0), atol=1e-9)
        assert np.allclose(
            np.cov(erased[z == c].T, bias=True), np.cov(erased.T, bias=True), atol=1e-6
        )
    assert reader.fit(erased, z).score(erased, z) < chance + 0.02


def test_the_barycentre_of_commuting_covariances_is_the_square_of_the_mean_root():
    spreads = np.stack([np.diag([1.0, 9.0]), np.diag([9.0, 25.0])])
    assert np.allclose(barycentre(spreads, np.array([0.5, 0.5])), np.diag([4.0, 16.0]), atol=1e-6)
    a, b = np.cov(classes()[0].T), np.cov(classes(seed=1)[0].T)
    move = transport(a, b)
    assert np.allclose(move @ a @ move, b)
    assert np.linalg.eigvalsh(move).min() > 0


def test_it_moves_rows_less_than_whitening_every_class():
    x, z = classes(seed=2)
    whole = np.cov(x.T, bias=True)
    erased, other = QuadraticLeace().fit(x, z).transform(x, z), np.empty_like(x)
    for c in range(3):
        rows = x[z == c]
        root = np.linalg.cholesky(whole) @ np.linalg.inv(
            np.linalg.cholesky(np.cov(rows.T, bias=True))
        )
        other[z == c] = x.mean(axis=0) + (rows - rows.mean(axis=0)) @ root.T
    assert ((erased - x) ** 2).sum() < ((other - x) ** 2).sum()


def test_refusals():
    x, z = classes()
    with pytest.raises(ValueError, match="QuadraticLeace: class 0 has 3 rows for 5 dimensions"):
        QuadraticLeace().fit(x[:40], np.r_[np.zeros(3, int), np.ones(37, int)])
    with pytest.raises(ValueError, match="QuadraticLeace: the label 7 was not fitted"):
        QuadraticLeace().fit(x, z).transform(x[:1], [7])


def test_labels_are_one_for_each_row_and_shares_one_for_each_class():
    x, y = np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2
    found = QuadraticLeace().fit(x, y)
    with pytest.raises(ValueError, match=r"12 rows and labels of shape \(11,\)"):
        found.transform(x, y[1:])
    with pytest.raises(ValueError, match="2 covariances need a share each, of sum 1"):
        barycentre(np.stack([np.eye(2)] * 2), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="shares must be 0 or more"):
        barycentre(np.stack([np.eye(2)] * 2), np.array([2.0, -1.0]))
