"""Costs against counts made by hand."""

from __future__ import annotations

import torch
from torch import nn

from inscape.learn.cost import cost


def test_a_linear_layer_and_its_gradient():
    net, x = nn.Linear(20, 30, bias=False), torch.ones(8, 20)
    forward = cost(lambda: net(x))
    assert forward.flops == 2 * 8 * 20 * 30
    assert forward.memory == 4 * 8 * 30  # the output; input and weight were given
    assert forward.seconds > 0

    def both() -> None:
        net.weight.grad = None
        net(x).sum().backward()

    # the input needs no gradient, so the backward pass has the weight's product alone
    assert cost(both).flops == 2 * forward.flops


def test_memory_is_the_peak_and_not_the_sum():
    x = torch.ones(1000)

    def chain() -> None:
        y = x
        for _ in range(10):
            y = y + 1

    def held() -> list[torch.Tensor]:
        return [x + k for k in range(10)]

    assert cost(chain).memory == 2 * 4000  # the old sum is freed once the new one is there
    assert cost(held).memory == 10 * 4000


def test_views_and_changes_in_place_take_no_memory():
    x = torch.ones(1000)

    def work() -> None:
        y = x.reshape(10, 100).T
        y.mul_(1.0)

    assert cost(work).memory == 0
