"""A network that predicts its own slow copy: the loss, the moving average, and a resumed
training.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn

from inscape.learn import ema_target
from inscape.learn.ema_target import EmaTarget, SelfPredicting, predict_target
from inscape.learn.fit import Budget, fit
from inscape.learn.gradient import Gradient


def small(predictor=None):
    torch.manual_seed(0)
    return SelfPredicting(nn.Linear(3, 4), predictor or nn.Linear(4, 4))


def batches(rng):
    x = torch.from_numpy(rng.normal(size=(16, 3))).float()
    return x, x + 0.1


def objective(net, views):
    return predict_target(net, *views)


def test_a_predictor_that_changes_nothing_leaves_the_distance_of_the_views():
    both = small(nn.Identity())
    a, b = batches(np.random.default_rng(0))
    wanted = 2 - 2 * torch.cosine_similarity(both.net(a), both.net(b))
    assert float(predict_target(both, a, b).detach()) == pytest.approx(
        float(wanted.mean().detach()), abs=1e-6
    )
    assert float(predict_target(both, a, a).detach()) == pytest.approx(0, abs=1e-6)


def test_the_target_follows_and_has_no_gradient():
    both, m = small(), 0.9
    before = both.target.weight.clone()
    assert torch.equal(before, both.net.weight)
    steps = EmaTarget(m, Gradient(lr=0.1))(both, 1)
    steps.step(objective, batches(np.random.default_rng(0)))
    assert not torch.equal(before, both.net.weight)
    wanted = m * before + (1 - m) * both.net.weight
    torch.testing.assert_close(both.target.weight, wanted)
    assert both.target.weight.grad is None
    assert both.net.weight.grad is not None


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole = fit(small(), batches, objective, Budget(8), EmaTarget(), rng=np.random.default_rng(1))
    monkeypatch.setattr(sys.modules["inscape.learn.fit"], "SAVED_EVERY", 0.0)

    class Stop(Exception):
        pass

    seen = []

    def stop(views):
        seen.append(1)
        if len(seen) == 5:
            raise Stop
        return views

    keep = tmp_path / "state.pt"
    with pytest.raises(Stop):
        again = {"rng": np.random.default_rng(1), "keep": keep}
        fit(small(), lambda r: stop(batches(r)), objective, Budget(8), EmaTarget(), **again)
    again = {"rng": np.random.default_rng(1), "keep": keep}
    resumed = fit(small(), batches, objective, Budget(8), EmaTarget(), **again)
    for name, x in whole.net.state_dict().items():
        assert torch.equal(x, resumed.net.state_dict()[name]), name


def test_refusals():
    with pytest.raises(ValueError, match="decay must be between 0 and 1"):
        EmaTarget(decay=1.5)
    with pytest.raises(TypeError, match="trains a SelfPredicting network, got Linear"):
        ema_target.EmaTarget()(nn.Linear(2, 2), 1)
