"""Many labels at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from inscape.core.errors import DataError
from inscape.read.logistic import LogisticProbe
from inscape.read.multilabel import MultilabelProbe


def planted(n=200, d=8, labels=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, (2 * x[:, :labels] + rng.normal(size=(n, labels)) > 0).astype(int)


def test_each_label_is_the_probe_of_it_alone():
    x, y = planted()
    both = MultilabelProbe((0.5,), scale=False, tol=1e-8).fit(x, y)
    for t in range(3):
        theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=5000).fit(x, y[:, t])
        assert np.allclose(both.coef_[t], theirs.coef_[0], atol=1e-5)
        assert np.allclose(both.predict_proba(x)[:, t], theirs.predict_proba(x)[:, 1], atol=1e-5)
        assert (both.predict(x)[:, t] == theirs.predict(x)).all()


def test_a_label_that_is_noise_gets_a_stronger_penalty_and_stays_at_chance():
    x, y = planted()
    y[:, 2] = np.random.default_rng(1).permutation(y[:, 2])
    fresh, truth = planted(seed=5)
    probe = MultilabelProbe().fit(x, y)
    right = (probe.predict(fresh) == truth).mean(axis=0)
    assert right[:2].min() > 0.8
    assert right[2] < 0.65
    assert probe.C_[2] < probe.C_[0]


def test_labels_do_not_disturb_each_other():
    x, y = planted()
    alone = MultilabelProbe((1.0,)).fit(x, y[:, :1])
    assert np.allclose(MultilabelProbe((1.0,)).fit(x, y).coef_[:1], alone.coef_, atol=1e-6)
    assert np.allclose(
        MultilabelProbe((1.0,)).fit(x, y[:, ::-1]).coef_[::-1][:1], alone.coef_, atol=1e-6
    )
    assert np.allclose(alone.coef_, LogisticProbe((1.0,)).fit(x, y[:, 0]).coef_, atol=1e-6)


def test_kinds_groups_and_refusals():
    x, y = planted()
    assert isinstance(
        MultilabelProbe((1.0,)).fit(torch.tensor(x), torch.tensor(y)).predict(torch.tensor(x)),
        torch.Tensor,
    )
    one = MultilabelProbe((1.0,)).fit(x, np.array(["no", "yes"])[y[:, 0]])
    assert set(one.predict(x)) == {"no", "yes"}
    assert one.decision_function(x).shape == (200,)
    assert MultilabelProbe().fit(x, y, groups=np.arange(200) % 7).C_.shape == (3,)
    with pytest.raises(DataError, match="all rows are in one group"):
        MultilabelProbe().fit(x, y, groups=np.zeros(200))
    with pytest.raises(ValueError, match="label 1 holds one class"):
        MultilabelProbe().fit(x, np.stack([y[:, 0], np.zeros(200, dtype=int)], axis=1))
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        MultilabelProbe().fit(x, np.arange(200) % 3)
    with pytest.raises(ValueError, match="Cs must be positive"):
        MultilabelProbe((0.0,)).fit(x, y)
    with pytest.warns(ConvergenceWarning, match="with 3 labels unfinished"):
        MultilabelProbe((10.0,), max_iter=1).fit(x, y)
