"""Margins: invariance to scale, and the network of waves that reaches the highest there is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.nets.quadratic_net import QuadraticNet
from inscape.shape.component_power import component_power
from inscape.shape.normalised_margin import highest_modular_margin, normalised_margin
from inscape.shape.phase_residual import phase_residual
from inscape.worlds.group_tables import cyclic_table

P = 7


def waves(shift: float = 0.0) -> QuadraticNet:
    """Of every frequency, neurons whose phases lie on a grid and obey θ_u + θ_v = θ_w + shift."""
    grid = 2 * np.pi * np.arange(4) / 4
    u, v = (x.ravel() for x in np.meshgrid(grid, 2 * np.pi * np.arange(4) / 4 + 0.1))
    columns = {"u": [], "v": [], "w": []}
    a = 2 * np.pi * np.arange(P)[:, None] / P
    for k in range(1, (P + 1) // 2):
        for name, phase in (("u", u), ("v", v), ("w", u + v - shift)):
            columns[name].append(np.cos(phase + k * a))
    net = QuadraticNet(cyclic_table(P).table, 1).double()
    for name, parts in columns.items():
        setattr(net, name, torch.nn.Parameter(torch.from_numpy(np.concatenate(parts, axis=1))))
    return net


def _margin(net: QuadraticNet) -> float:
    return normalised_margin(net(), net.answers, net.norm_cubed()).item()


def test_waves_of_every_frequency_reach_the_highest_margin_and_no_others_do():
    assert _margin(waves()) == pytest.approx(highest_modular_margin(P))
    assert _margin(waves(shift=0.3)) < 0.99 * highest_modular_margin(P)
    one = waves()
    for name in "uvw":
        setattr(one, name, torch.nn.Parameter(getattr(one, name)[:, :32]))
    assert 0 < _margin(one) < 0.8 * highest_modular_margin(P)  # two of the three frequencies


def test_the_scale_of_a_network_does_not_count():
    net = waves(0.2)
    before = _margin(net)
    with torch.no_grad():
        for p in net.parameters():
            p *= 3
    assert _margin(net) == pytest.approx(before)


def test_the_worst_item_decides():
    logits = torch.tensor([[5.0, 1.0, 0.0], [0.0, 1.0, 3.0]])
    assert normalised_margin(logits, [0, 1], 1.0).item() == -2
    assert normalised_margin(logits, [0, 2], 4.0).item() == 0.5


def test_features_of_the_waves():
    net = waves(0.3)
    shares = component_power(net.u.detach().numpy(), cyclic_table(P).projections)
    np.testing.assert_allclose(shares[np.arange(48), np.repeat([1, 2, 3], 16)], 1)
    parts = [x.detach().numpy() for x in (net.u, net.v, net.w)]
    np.testing.assert_allclose(phase_residual(*parts, np.repeat([1, 2, 3], 16)), 0.3)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, P, 20_000))
    assert phase_residual(*noise, np.ones(20_000)).mean() == pytest.approx(np.pi / 2, abs=0.02)
    assert component_power(noise[0], cyclic_table(P).projections).mean(axis=0) == pytest.approx(
        [1 / 7, 2 / 7, 2 / 7, 2 / 7], abs=0.01
    )


def test_refusals():
    with pytest.raises(ValueError, match="the norm must be above 0"):
        normalised_margin(torch.ones(1, 2), [0], 0.0)
    with pytest.raises(ValueError, match="must be a prime of at least 5"):
        highest_modular_margin(9)
    with pytest.raises(ValueError, match=r"needs weights \(n, m\) and projections"):
        component_power(np.ones((3, 2)), np.ones((2, 4, 4)))
