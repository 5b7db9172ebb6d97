"""Identities of state-space mixers: the scan of Mamba and Mamba 2, computed again step by step in
float64.

    Mamba     h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t x_t,   y_t = C_t h_t + D x_t       A of each channel, Δ, B and C made of x
    Mamba 2   the same with one A a head, and Δ, B and C made by the mixer's input projection

The networks compute it in chunks or by fused kernels; here it is a loop over positions, which no
layout of theirs enters.

Cost: positions × channels × states operations of each.
Reference: Gu and Dao (2023), arXiv:2312.00752, §3.2; Dao and Gu (2024), arXiv:2405.21060, §3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.activations import ACT2FN

from inscape.model.item import difference
from inscape.model.network import Network

Tensors = Mapping[str, Tensor]


def scan(x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """y_t = c_t · h_t, where h_t = exp(step_t a) h_{t−1} + step_t x_t b_t.

    Args:
        x: (batch, positions, channels).
        step: (batch, positions, channels).
        a: (channels, states), negative.
        b: (batch, positions, channels, states).
        c: (batch, positions, channels, states).

    Example:
        >>> one = torch.ones(1, 3, 1)
        >>> scan(one, one, torch.zeros(1, 1), one[..., None], one[..., None]).flatten().tolist()
        [1.0, 2.0, 3.0]
    """
    state = torch.zeros_like(b[:, 0])
    out = []
    for t in range(x.shape[1]):
        decay = torch.exp(step[:, t, :, None] * a)
        state = decay * state + (step[:, t] * x[:, t])[..., None] * b[:, t]
        out.append((state * c[:, t]).sum(-1))
    return torch.stack(out, 1)


def convolved(model: Network, layer: int, of: Tensors) -> float:
    """How far ``ssm_in`` is off the activated convolution of ``conv_in``."""
    return difference(_convolved(_mixer(model, layer), of["conv_in"]), of["ssm_in"])


def gated(model: Network, layer: int, of: Tensors) -> float:
    """How far ``mixer_act`` is off the scan of ``ssm_in`` times the activated ``gate`` (Mamba)."""
    mixer = _mixer(model, layer)
    x = of["ssm_in"].double()
    rank, size = mixer.time_step_rank, mixer.ssm_state_size
    made = mixer.x_proj(of["ssm_in"]).double()
    raw, b, c = made.split([rank, size, size], -1)
    step = functional.softplus(raw @ mixer.dt_proj.weight.double().T + mixer.dt_proj.bias.double())
    a = -mixer.A_log.double().exp()
    wide = (*x.shape, size)
    y = scan(x, step, a, b[:, :, None].expand(wide), c[:, :, None].expand(wide))
    y = y + x * mixer.D.double()
    return difference(y * functional.silu(of["gate"].double()), of["mixer_act"])


def scanned(model: Network, layer: int, of: Tensors) -> float:
    """How far ``ssm_out`` is off the scan of what the convolution makes of ``conv_in`` (Mamba
    2).
    """
    mixer = _mixer(model, layer)
    heads, width, groups = mixer.num_heads, mixer.head_dim, mixer.n_groups
    size = mixer.ssm_state_size
    made = _convolved(mixer, of["conv_in"]).double()
    inner = heads * width
    x, b, c = made.split([inner, groups * size, groups * size], -1)
    raw = mixer.in_proj(of["mixer_in"])[..., -heads:].double()
    step = functional.softplus(raw + mixer.dt_bias.double()).clamp(*mixer.time_step_limit)
    a = -mixer.A_log.double().exp()
    b, c = (
        part.unflatten(-1, (groups, size)).repeat_interleave(inner // groups, dim=2)
        for part in (b, c)
    )
    each = width  # channels of a head share its step and its decay
    y = scan(
        x,
        step.repeat_interleave(each, dim=-1),
        a.repeat_interleave(each)[:, None],
        b,
        c,
    )
    y = y + x * mixer.D.double().repeat_interleave(each)
    return difference(y, of["ssm_out"])


def normed(model: Network, layer: int, of: Tensors) -> float:
    """How far ``mixer_act`` is off the gated norm of ``ssm_out`` and ``gate`` (Mamba 2)."""
    return difference(_mixer(model, layer).norm(of["ssm_out"], of["gate"]), of["mixer_act"])


def _convolved(mixer: Any, x: Tensor) -> Tensor:
    """(batch, positions, channels) after the causal convolution and its activation."""
    out = mixer.conv1d(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
    found: Tensor = ACT2FN[mixer.activation](out)
    return found


def _mixer(model: Network, layer: int) -> Any:
    return model.atlas.blocks[layer].mixer
