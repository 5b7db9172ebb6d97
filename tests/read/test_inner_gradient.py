"""The inner loss gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inscape.model.unembed import Readout
from inscape.read.inner_gradient import alignment, inner_gradient, inner_loss


def readout(entries=5000, d=10, cap=None, seed=0):
    draw = torch.Generator().manual_seed(seed)
    norm = nn.LayerNorm(d).double()
    with torch.no_grad():
        norm.weight.copy_(1 + 0.3 * torch.randn(d, generator=draw))
    return Readout(
        torch.randn(entries, d, generator=draw).double(),
        norm,
        torch.randn(entries, generator=draw).double(),
        cap,
    )


@pytest.mark.parametrize("cap", [None, 4.0])
def test_it_is_autograds(cap):
    read, h = readout(cap=cap), torch.randn(7, 10, dtype=torch.float64)
    tokens = torch.randint(5000, (2, 7))
    found = inner_gradient(read, h, tokens, budget=9000)
    for question in range(2):
        x = h.clone().requires_grad_(True)
        loss = nn.functional.cross_entropy(read(x), tokens[question], reduction="none")
        theirs = torch.autograd.grad(loss.sum(), x)[0]
        assert torch.allclose(found.loss[question], loss.detach(), atol=1e-9)
        assert torch.allclose(found.descent[question], -theirs, atol=1e-9)
    assert not torch.allclose(found.descent[0], found.descent[1], atol=1e-3)
    alone = inner_loss(read, h, tokens[1], rows=3)
    assert torch.allclose(alone.double(), found.loss[1], atol=1e-4)
    assert not torch.allclose(alone.double(), found.loss[0], atol=1e-3)


def test_a_small_step_along_it_lowers_the_loss_by_its_square_and_against_it_raises_it():
    read, h, token = readout(200), torch.randn(5, 10, dtype=torch.float64), torch.arange(5)[None]
    found = inner_gradient(read, h, token)
    step = 1e-5 * found.descent[0]
    down = inner_gradient(read, h + step, token).loss - found.loss
    up = inner_gradient(read, h - step, token).loss - found.loss
    square = 1e-5 * (found.descent[0] ** 2).sum(-1)
    assert torch.allclose(down[0], -square, rtol=1e-2)
    assert torch.allclose(up[0], square, rtol=1e-2)


def test_a_state_that_says_its_token_already_has_no_gradient():
    read = Readout(torch.eye(6, dtype=torch.float64))
    sure = inner_gradient(read, 60 * torch.eye(6, dtype=torch.float64), torch.arange(6)[None])
    unsure = inner_gradient(read, torch.zeros(6, 6, dtype=torch.float64), torch.arange(6)[None])
    assert sure.loss.max() < 1e-9
    assert sure.descent.norm(dim=-1).max() < 1e-9
    assert unsure.descent.norm(dim=-1).min() > 0.5


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100))
def test_alignment_knows_no_length_and_turns_with_the_sign(seed, scale):
    draw = torch.Generator().manual_seed(seed)
    a, b = torch.randn(4, 8, generator=draw), torch.randn(4, 8, generator=draw)
    assert torch.allclose(alignment(scale * a, b), alignment(a, b), atol=1e-6)
    assert torch.allclose(alignment(-a, b), -alignment(a, b))
    assert torch.allclose(alignment(a, a), torch.ones(4, dtype=torch.float64))
    assert alignment(torch.zeros(1, 8), b[:1]).item() == 0


def test_random_steps_are_not_aligned():
    draw = torch.Generator().manual_seed(0)
    read = Readout(torch.randn(300, 400, generator=draw))
    h = torch.randn(300, 400, generator=draw)
    found = inner_gradient(read, h, torch.arange(300)[None])
    assert abs(alignment(torch.randn(300, 400, generator=draw), found.descent[0]).mean()) < 0.01
    assert alignment(found.descent[0], found.descent[0]).min() > 0.99


def test_refusals():
    with pytest.raises(ValueError, match=r"tokens must be \(questions, 3\)"):
        inner_gradient(readout(20), torch.zeros(3, 10), torch.zeros(1, 2, dtype=torch.long))
