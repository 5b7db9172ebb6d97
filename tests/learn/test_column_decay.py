"""Decoupled decay of columns: Adam without it, AdamW above zero, lengths of one below."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from inscape.learn.column_decay import ColumnDecay
from inscape.learn.gradient import Gradient


def _trained(optimiser, steps=30):
    torch.manual_seed(0)
    net, x = nn.Linear(3, 4), torch.randn(20, 3)
    update = Gradient(0.05, optimiser, schedule="cosine")(net, steps)
    for _ in range(steps):
        update.step(lambda net, x: (net(x) - 1).square().mean(), x)
    return net


def test_without_decay_it_is_adam():
    ours, theirs = _trained(partial(ColumnDecay, decay=0.0)), _trained(torch.optim.Adam)
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_above_zero_it_is_adamw_for_matrices_alone():
    def spared(params, lr):
        matrix, bias = params
        return torch.optim.AdamW(
            [{"params": [matrix]}, {"params": [bias], "weight_decay": 0.0}], lr=lr, weight_decay=0.7
        )

    ours, theirs = _trained(partial(ColumnDecay, decay=0.7)), _trained(spared)
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)
    plain = _trained(torch.optim.Adam)
    assert ours.weight.norm() < 0.95 * plain.weight.norm()


@pytest.mark.parametrize("decay", [-1.0, -0.5])
def test_below_zero_a_step_follows_the_formula_and_ends_at_length_one(decay):
    w = nn.Parameter(torch.tensor([[3.0, 0.0, 0.3], [4.0, 0.5, 0.4]]))
    update = ColumnDecay([w], lr=0.1, decay=decay)
    w.grad = torch.zeros_like(w)
    before, length = w.detach().clone(), torch.tensor([5.0, 0.5, 0.5])
    update.step()
    torch.testing.assert_close(w.detach(), before - 0.1 * decay * before * (1 / length - 1))
    for _ in range(300):
        update.step()
    torch.testing.assert_close(w.detach(), before / length, atol=1e-4, rtol=0)


def test_a_column_without_length_stays():
    w = nn.Parameter(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    update = ColumnDecay([w], lr=0.1, decay=-1.0)
    w.grad = torch.zeros_like(w)
    update.step()
    assert w[:, 0].tolist() == [0.0, 0.0]
    assert torch.isfinite(w).all()
