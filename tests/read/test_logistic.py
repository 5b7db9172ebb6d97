"""The logistic probe."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from inscape.core.edit import Scope
from inscape.core.errors import DataError
from inscape.read.logistic import LogisticProbe


def planted(n=200, d=10, k=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, (3 * x[:, :k] + 0.5 * rng.normal(size=(n, k))).argmax(axis=1)


@pytest.mark.parametrize("k", [2, 3])
def test_same_optimum_as_scikit_learn(k):
    x, y = planted(k=k)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=5000).fit(x, y)
    ours = LogisticProbe((0.5,), scale=False, tol=1e-8).fit(x, y)
    assert np.allclose(ours.coef_, theirs.coef_, atol=1e-5)
    assert np.allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-5)
    assert np.allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-4)
    assert (ours.predict(x) == theirs.predict(x)).all()


def test_a_planted_class_is_read_and_shuffled_labels_are_not():
    x, y = planted()
    fresh, truth = planted(seed=1)
    probe = LogisticProbe().fit(x, y)
    assert probe.score(fresh, truth) > 0.9
    assert probe.direction_[1] > 0.6 > -0.6 > probe.direction_[0]
    noise = LogisticProbe().fit(x, np.random.default_rng(2).permutation(y))
    assert abs(noise.score(fresh, truth) - 0.5) < 0.2
    assert noise.C_ < probe.C_
    assert noise.inner_loss_ > 0.68 > probe.inner_loss_


def test_scaling_makes_the_unit_irrelevant():
    x, y = planted()
    assert np.allclose(
        LogisticProbe().fit(x, y).predict_proba(x),
        LogisticProbe().fit(1e3 * x, y).predict_proba(1e3 * x),
        atol=1e-4,
    )


def test_torch_in_torch_out_and_words_stay_words():
    x, y = planted()
    probe = LogisticProbe((1.0,)).fit(torch.tensor(x), torch.tensor(y))
    assert isinstance(probe.predict(torch.tensor(x)), torch.Tensor)
    assert isinstance(probe.predict_proba(torch.tensor(x)), torch.Tensor)
    words = LogisticProbe((1.0,)).fit(x, np.array(["no", "yes"])[y]).predict(torch.tensor(x))
    assert set(words.tolist()) == {"no", "yes"}


def test_removing_the_directions_leaves_chance():
    x, y = planted(k=3)
    probe = LogisticProbe().fit(x, y)
    assert probe.score(x, y) > 0.85
    edit = probe.edit(Scope("embed"))
    assert edit.directions.shape[0] == 2  # softmax coefficients sum to zero
    after = edit.apply(torch.tensor(x)[None])[0].numpy()
    assert len(set(probe.predict(after).tolist())) == 1


def test_groups_choose_by_whole_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(24), 10)
    x = (rng.normal(size=(24, 30)) * 3)[groups] + 0.3 * rng.normal(size=(240, 30))
    y = (np.arange(24) % 2)[groups]
    assert LogisticProbe().fit(x, y).inner_loss_ < 0.2
    assert LogisticProbe().fit(x, y, groups=groups).inner_loss_ > 0.6


def test_refusals_and_warnings():
    x, y = planted()
    with pytest.raises(ValueError, match="y holds one class"):
        LogisticProbe().fit(x, np.ones(200, dtype=int))
    with pytest.raises(ValueError, match="Cs must be positive"):
        LogisticProbe((0.0,)).fit(x, y)
    with pytest.raises(DataError, match="all rows are in one group"):
        LogisticProbe().fit(x, y, groups=np.zeros(200))
    with pytest.warns(ConvergenceWarning, match="stopped after 2 iterations"):
        LogisticProbe((1.0,), max_iter=2).fit(x, y)
