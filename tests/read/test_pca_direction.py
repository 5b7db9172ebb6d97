"""The PCA direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from inscape.read.pca_direction import PCADirection


def along(d=5, n=300, strength=4.0, nuisance=0.0, seed=0):
    """Two classes apart along axis 0, with another axis of variance unrelated to them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, d))
    x[:, 0] += strength * y
    x[:, 1] += nuisance * rng.choice([-1, 1], n)
    return x, y


@pytest.mark.parametrize("d", [5, 400])
def test_it_is_scikit_learns_first_component_turned_to_the_second_class(d):
    x, y = along(d, n=300, strength=20.0)
    theirs = PCA(1).fit(x).components_[0]
    ours = PCADirection().fit(x, y)
    assert abs(ours.direction_ @ theirs) > 1 - 1e-9
    assert x[y == 1].mean(0) @ ours.direction_ > x[y == 0].mean(0) @ ours.direction_
    assert ours.score(x, y) == 1.0
    flipped = PCADirection().fit(x, 1 - y)
    assert np.allclose(flipped.direction_, -ours.direction_)


def test_it_finds_the_largest_variance_not_the_label_and_centring_within_it_cures_that():
    x, y = along(nuisance=9.0)
    template = x[:, 1] > 0
    assert abs(PCADirection().fit(x, y).direction_[1]) > 0.95
    centred = x.copy()
    for t in (False, True):
        centred[template == t] -= centred[template == t].mean(axis=0)
    assert PCADirection().fit(centred, y).direction_[0] > 0.95


def test_labels_only_name_the_ends():
    x, y = along()
    other = np.random.default_rng(1).permutation(y)
    assert (
        abs(PCADirection().fit(x, y).direction_ @ PCADirection().fit(x, other).direction_)
        > 1 - 1e-9
    )


def test_constant_rows_have_no_direction_and_tensors_come_back_as_tensors():
    y = np.array([0, 1, 0, 1])
    assert not PCADirection().fit(np.ones((4, 3)), y).coef_.any()
    x, y = along()
    probe = PCADirection().fit(torch.tensor(x), torch.tensor(y))
    assert isinstance(probe.predict(torch.tensor(x)), torch.Tensor)


def test_refusals():
    x, _ = along(n=60)
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        PCADirection().fit(x, np.arange(60) % 3)
    with pytest.raises(ValueError, match="PCADirection: y holds one class"):
        PCADirection().fit(x, np.zeros(60, dtype=int))
