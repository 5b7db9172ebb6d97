"""Alignment along one line: the map swaps one coordinate, the closed form is best where the metric
is straight.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.alignment_search import Interchange, align, inversion_error, right
from inscape.control.line_alignment import LineMap, Rest, first_order_line
from inscape.model.graph import constants
from inscape.model.model import Model
from tests.model import nets

TEXTS = ["the river of Paris is good", "a sea of London is bad ."]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_interchange_swaps_one_coordinate_and_nothing_else(sign):
    stream = torch.Generator().manual_seed(0)
    h, g, v = (torch.randn(5, 8, generator=stream) for _ in range(3))
    start = v[0].clone()
    start[0] = sign * start[0].abs()
    phi = LineMap(start)
    d = start / start.norm()
    expected = h + ((g - h) @ d)[:, None] * d
    assert torch.allclose(phi.interchange(h, g), expected, atol=1e-5)
    assert inversion_error(phi, h) < 1e-5
    assert not torch.allclose(expected, h, atol=0.1)
    assert torch.allclose(LineMap(torch.eye(8)[0]).interchange(h, g)[:, 1:], h[:, 1:], atol=1e-6)


def test_the_closed_form_beats_every_other_line_on_what_it_promises():
    rng = np.random.default_rng(0)
    change, slope = rng.normal(size=(40, 6)), rng.normal(size=(40, 6))
    change[:, 2] += 2
    slope[:, 2] += 2

    def promised(v):
        return float(((change @ v) * (slope @ v)).sum())

    found = first_order_line(change, slope)
    assert np.linalg.norm(found) == pytest.approx(1)
    assert abs(found[2]) > 0.8
    others = rng.normal(size=(500, 6))
    assert promised(found) > max(promised(v / np.linalg.norm(v)) for v in others)
    assert not first_order_line(change, 0 * slope).any()


def test_training_finds_the_line_that_is_read():
    stream = torch.Generator().manual_seed(0)
    base, source = (torch.randn(300, 6, generator=stream) for _ in range(2))
    pairs = Interchange(base, source, (source[:, 3] > 0).long())
    phi = LineMap(torch.ones(6))

    def finish(h, _rows):
        return torch.stack([-h[:, 3], h[:, 3]], dim=1)

    before = right(phi, pairs, finish).mean()
    losses = align(phi, pairs, finish, steps=150, lr=0.03, generator=stream)
    assert (
        abs(float(phi.direction[3])) > 0.95 > 0.6 > abs(float(LineMap(torch.ones(6)).direction[3]))
    )
    assert right(phi, pairs, finish).mean() > 0.95 > before
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_rest_of_a_model_is_its_own_pass_and_has_the_right_slope(family):
    model = Model(nets.net(family), nets.tokenizer())
    tokens, entries, spots = model.tokenize(TEXTS), [7, 11, 30], np.array([2, 3])
    whole = model.run(model.collate(tokens), "resid_pre.1", logits=True)
    streams = [whole["resid_pre.1"][i, : len(t)] for i, t in enumerate(tokens)]
    rest = Rest(model, tokens, streams, spots, 1, entries)
    h = torch.stack([s[p] for s, p in zip(streams, spots, strict=True)])
    expected = torch.stack([whole.logits[i, len(t) - 1, entries] for i, t in enumerate(tokens)])
    assert torch.allclose(rest(h, torch.arange(2)), expected, atol=1e-4)
    assert torch.allclose(rest(h[1:], torch.tensor([1])), expected[1:], atol=1e-4)
    assert not torch.allclose(
        rest(h * torch.linspace(-2, 2, nets.D), torch.arange(2)), expected, atol=1e-2
    )
    with constants(model.net):
        assert not any(p.requires_grad for p in model.net.parameters())
        leaf = h.clone().requires_grad_()
        rest(leaf, torch.arange(2))[:, 0].sum().backward()
    assert all(p.requires_grad and p.grad is None for p in model.net.parameters())
    step = torch.zeros_like(h)
    step[0, 4] = 1e-2
    slope = (rest(h + step, torch.arange(2)) - rest(h - step, torch.arange(2)))[
        :, 0
    ].sum().detach() / 2e-2
    assert float(leaf.grad[0, 4]) == pytest.approx(
        float(slope), abs=2e-2 * float(leaf.grad.abs().max())
    )
    assert nets.live_hooks(model.net) == 0


def test_a_line_of_no_length_is_refused():
    with pytest.raises(ValueError, match="LineMap: start must not be zero"):
        LineMap(torch.zeros(3))
