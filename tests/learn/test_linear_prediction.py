"""The loss by moments against the loss of the pairs, and descent against a flow that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from inscape.learn.linear_prediction import PairMoments, descend, prediction_loss


def test_the_loss_is_that_of_the_pairs():
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(50, 3)), rng.normal(size=(50, 3))) for _ in range(2)]
    p, t = (torch.from_numpy(rng.normal(size=(2, 3, 3))) for _ in range(2))
    moments = PairMoments.side_by_side(PairMoments.of(x, y) for x, y in pairs)
    slow = sum(
        0.5 * ((x @ p[k].numpy().T - y @ t[k].numpy().T) ** 2).sum(axis=1).mean()
        for k, (x, y) in enumerate(pairs)
    )
    assert prediction_loss(p, t, moments).item() == pytest.approx(slow)
    assert prediction_loss(p, p, PairMoments(*(moments.xx,) * 3)).item() == pytest.approx(0)


def _decay(rate: float, until: float = 2.0):
    net = nn.Linear(2, 1, bias=False).double()
    return descend(
        net,
        lambda: (net.weight.square() * torch.tensor([1.0, 3.0])).sum() / 2,
        lambda: net.weight[0],
        rate=rate,
        until=until,
        points=50,
    )


def test_small_steps_follow_the_flow_and_large_ones_do_not():
    for rate, near in ((1e-3, True), (0.3, False)):
        times, found = _decay(rate)
        flow = found[0] * np.exp(-times[:, None] * [1.0, 3.0])
        assert (np.abs(found / found[0] - flow / found[0]).max() < 0.002) == near
    assert times[0] == 0


def test_records_begin_and_end_with_the_training():
    times, found = _decay(1e-3)
    assert times[-1] == pytest.approx(2.0)
    assert 50 <= len(times) <= 52
    assert found.shape == (len(times), 2)


def test_refusals():
    with pytest.raises(ValueError, match="rate and until must be above 0"):
        _decay(0.0)
    with pytest.raises(ValueError, match="not finite after"):
        _decay(50.0, until=1e5)
