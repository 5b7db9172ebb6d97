"""Norms as numbers, for every family's own module."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inscape.core.errors import ModelError
from inscape.model.norms import epsilon, gain, is_norm, norms, with_constant_scale
from tests.model import nets


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3", "gpt2", "opt", "neox", "bert"])
def test_values_are_the_modules_own_and_only_the_scale_is_constant(family):
    found = list(norms(nets.net(family)))
    assert found
    for _, module in found:
        width = module.weight.shape[0]
        x = torch.randn(5, width, generator=torch.Generator().manual_seed(1)).requires_grad_()
        y = with_constant_scale(module, x, gain(module))
        assert torch.allclose(y, module(x), atol=1e-5)
        u = torch.randn(5, width, generator=torch.Generator().manual_seed(2))
        held, whole = (torch.autograd.grad((out * u).sum(), x)[0] for out in (y, module(x)))
        assert not torch.allclose(held, whole, atol=1e-3)
        offset = getattr(module, "bias", None)
        left = y if offset is None else y - offset
        assert torch.allclose(
            (held * x).sum(-1), (left * u).sum(-1), atol=1e-4
        )  # linear: its derivative gives it back
        assert (whole * x).sum().abs() < 0.05 * (
            left * u
        ).sum().abs() + 1e-2  # scale-free: that of the norm gives nothing


def test_what_is_a_norm():
    assert is_norm(nn.LayerNorm(3))
    assert is_norm(nn.RMSNorm(3, eps=1e-6))
    assert not is_norm(nn.Linear(3, 3))
    assert epsilon(nn.LayerNorm(3, eps=1e-3)) == 1e-3
    paths = [path for path, _ in norms(nets.net("llama").model)]
    assert len(paths) == 2 * nets.LAYERS + 1


def test_a_norm_that_does_something_else_is_refused():
    class OddRMSNorm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.full((4,), 3.0)), 1e-6

        def forward(self, x):
            return self.weight**2 * x

    class SilentRMSNorm(nn.Module):
        pass

    with pytest.raises(ModelError, match="neither its weight nor one plus it"):
        gain(OddRMSNorm())
    with pytest.raises(ModelError, match="does not say its epsilon"):
        epsilon(SilentRMSNorm())
    with pytest.raises(ModelError, match="has no weight"):
        gain(nn.LayerNorm(3, elementwise_affine=False))
