"""The linear discriminant probe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from inscape.core.centred import Centred
from inscape.core.edit import Scope
from inscape.read.lda import LDAProbe
from inscape.read.mass_mean import MassMeanProbe


def clouds(n=1500, d=5, k=3, seed=0, shift=1.0):
    rng = np.random.default_rng(7)
    means, shape = shift * rng.normal(size=(k, d)), rng.normal(size=(d, d))
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    return means[y] + rng.normal(size=(n, d)) @ shape, y


@pytest.mark.parametrize("k", [2, 4])
def test_same_probabilities_as_scikit_learn(k):
    x, y = clouds(k=k)
    theirs, ours = (
        LinearDiscriminantAnalysis(solver="lsqr").fit(x, y),
        LDAProbe(shrinkage=0.0).fit(x, y),
    )
    assert np.allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-6)
    assert (ours.predict(x) == theirs.predict(x)).all()


def test_it_reads_gaussian_clouds_as_well_as_can_be_and_shuffled_labels_not_at_all():
    x, y = clouds()
    fresh, truth = clouds(seed=1)
    probe = LDAProbe().fit(x, y)
    assert probe.score(fresh, truth) > 0.6
    rng = np.random.default_rng(2)
    noise = [LDAProbe().fit(x, rng.permutation(y)).score(fresh, truth) for _ in range(30)]
    assert (
        abs(np.mean(noise) - 1 / 3) < 0.05
    )  # single ones stray: the classes lie in a plane, where few ways are open
    gone = probe.edit(Scope("embed")).apply(torch.tensor(fresh)[None])[0].numpy()
    assert len(np.unique(probe.predict(gone))) == 1


def test_moments_give_the_same_probe_in_any_number_of_parts():
    x, y = clouds(n=90, d=40)
    parts = [Centred.of(x[:50][y[:50] == c]) + Centred.of(x[50:][y[50:] == c]) for c in range(3)]
    probe, streamed = LDAProbe().fit(x, y), LDAProbe.from_moments(dict(enumerate(parts)))
    assert np.allclose(probe.coef_, streamed.coef_)
    assert np.allclose(probe.intercept_, streamed.intercept_)
    assert (streamed.predict(x) == probe.predict(x)).all()


def test_two_classes_are_the_whitened_mass_mean():
    x, y = clouds(k=2)
    both = (
        LDAProbe(shrinkage=0.1).fit(x, y).direction_
        @ MassMeanProbe(lda=True, shrinkage=0.1).fit(x, y).direction_
    )
    assert both == pytest.approx(1.0)


def test_kinds_in_kinds_out_and_refusals():
    x, y = clouds(n=60)
    assert isinstance(
        LDAProbe().fit(torch.tensor(x), torch.tensor(y)).predict(torch.tensor(x)), torch.Tensor
    )
    assert set(LDAProbe().fit(x, np.array(list("abc"))[y]).predict(x)) <= set("abc")
    with pytest.raises(ValueError, match="LDAProbe: y holds one class"):
        LDAProbe().fit(x, np.zeros(60, dtype=int))
    with pytest.raises(ValueError, match="at least two classes"):
        LDAProbe.from_moments({0: Centred.of(x)})
