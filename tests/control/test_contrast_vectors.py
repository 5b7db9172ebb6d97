"""Contrast vectors: every finder finds what was planted, at every layer, at one length; and what
refuses.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression

from inscape.control.contrast_vectors import (
    calibrated,
    difference_of_means,
    discriminant,
    fitted,
    pca_of_differences,
)
from inscape.read.lda import LDAProbe
from inscape.read.logistic import LogisticProbe

RNG = np.random.default_rng(0)
LAYERS, N, D = 3, 120, 8
PLANTED = np.linalg.qr(RNG.normal(size=(D, LAYERS)))[0].T
Y = np.arange(N) % 2
PAIRS = np.stack([np.flatnonzero(Y == 1), np.flatnonzero(Y == 0)], axis=1)
X = RNG.normal(size=(LAYERS, N, D)) + 6 * (Y - 0.5)[None, :, None] * PLANTED[:, None]
FINDERS = {
    "difference": lambda x, y: difference_of_means(x, y),
    "pca": lambda x, y: pca_of_differences(x, y, PAIRS),
    "discriminant": lambda x, y: discriminant(x, y),
    "logistic": lambda x, y: fitted(x, y, LogisticProbe((0.1,)), groups=np.arange(N) // 2),
    "anyone's": lambda x, y: fitted(x, y, LogisticRegression()),
}


@pytest.mark.parametrize("name", FINDERS)
def test_what_was_planted_is_found_at_every_layer_and_not_in_shuffled_labels(name):
    found = calibrated(FINDERS[name](X, Y), X, Y)
    size = np.linalg.norm(found, axis=1)
    assert (np.einsum("ld,ld->l", found, PLANTED) / size > 0.9).all()
    assert (np.abs(size - 6) < 0.8).all()
    means = np.stack([X[:, Y == 1].mean(1) - X[:, Y == 0].mean(1)])[0]
    assert np.allclose(np.einsum("ld,ld->l", found, means), size**2)
    if name != "pca":  # pairs of equal labels are refused
        other = FINDERS[name](X, np.random.default_rng(3).permutation(Y))
        cosines = np.einsum("ld,ld->l", other, PLANTED) / np.linalg.norm(other, axis=1)
        assert (np.abs(cosines) < 0.9).any()


def test_the_discriminant_is_the_probes_and_nearly_scikit_learns():
    probe = LDAProbe().fit(X[0], Y)
    theirs = (
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage=probe.shrinkage_).fit(X[0], Y).coef_[0]
    )
    assert np.allclose(discriminant(X, Y)[0], probe.coef_[0])
    assert theirs @ probe.coef_[0] / np.linalg.norm(probe.coef_) / np.linalg.norm(theirs) > 0.99


def test_layers_do_not_know_each_other():
    alone = pca_of_differences(X[1:2], Y, PAIRS)[0]
    assert abs(alone @ pca_of_differences(X, Y, PAIRS)[1]) == pytest.approx(1)


def test_refusals():
    with pytest.raises(ValueError, match="a label, 0 or 1, and hold both"):
        difference_of_means(X, np.zeros(N, dtype=int))
    with pytest.raises(ValueError, match="a label, 0 or 1, and hold both"):
        discriminant(X, Y + 1)
    with pytest.raises(ValueError, match="a row of class 1 and a row of class 0"):
        pca_of_differences(X, Y, PAIRS[:, ::-1])
    with pytest.raises(ValueError, match="two rows of every pair are equal"):
        pca_of_differences(np.ones((1, N, D)), Y, PAIRS)
    with pytest.raises(ValueError, match="the direction of layer 0 is zero"):
        calibrated(np.zeros((LAYERS, D)), X, Y)
    with pytest.raises(ValueError, match="not one direction"):
        fitted(X, Y, _Two())


class _Two(LogisticRegression):
    @property
    def direction_(self):
        return np.ones((2, D))


def test_rows_with_nan_give_no_direction():
    x, y = np.random.default_rng(0).normal(size=(2, 10, 3)), np.arange(10) % 2
    x[1, 0, 0] = np.nan
    for direction in (difference_of_means, discriminant):
        with pytest.raises(ValueError, match="rows hold NaN or infinite numbers; leave those out"):
            direction(x, y)
