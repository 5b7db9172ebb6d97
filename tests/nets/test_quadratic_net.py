"""The layer of squares against a slow form, and its degree of homogeneity."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.nets.quadratic_net import QuadraticNet


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return QuadraticNet((np.arange(3)[:, None] + np.arange(3)) % 3, 4)


def test_it_is_the_sum_of_its_neurons(net):
    found = net().detach()
    for a in range(3):
        for b in range(3):
            slow = sum(net.w[:, i] * (net.u[a, i] + net.v[b, i]) ** 2 for i in range(4))
            torch.testing.assert_close(found[a, b], slow.detach())
    right = torch.stack([found[a, b].softmax(0)[(a + b) % 3] for a in range(3) for b in range(3)])
    assert net.loss().item() == pytest.approx(-right.log().mean().item(), rel=1e-5)


def test_function_and_norm_are_of_degree_three(net):
    before, size = net().detach(), net.norm_cubed().item()
    by_hand = sum(
        torch.cat([net.u[:, i], net.v[:, i], net.w[:, i]]).norm().item() ** 3 for i in range(4)
    )
    assert size == pytest.approx(by_hand, rel=1e-5)
    with torch.no_grad():
        for p in net.parameters():
            p *= 2
    torch.testing.assert_close(net().detach(), 8 * before)
    assert net.norm_cubed().item() == pytest.approx(8 * size, rel=1e-5)
