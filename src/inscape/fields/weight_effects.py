"""What does each weight of a field change in its signal, and does it keep the signal's symmetry?

    effect of w:  ∂ f(x) / ∂w  at every coordinate x
    odd share:    ‖(e − mirrored e) / 2‖² / ‖e‖²          0: symmetric;  1: all of it breaks the symmetry

A change at random has an odd share of a half. The share is per unit of change, so weights that
change much and little are compared alike.

Cost: one backward pass; n · weights numbers.
Reference: Kumar, Clune, Lehman and Stanley (2025), arXiv:2505.11581, for sweeps of single weights.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn


def weight_effects(net: nn.Module, x: Float[Tensor, "n c"]) -> Float64[np.ndarray, "n w"]:
    """The derivative of a field's values by each weight of its linear layers.

    Args:
        net: gives one value a coordinate, (n,), from that coordinate alone; each linear layer is
            called once.
        x: the coordinates.

    Returns:
        Weights in the order of the layers, those of one output of a layer side by side; biases are
        left out.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 1, bias=False), nn.Flatten(0))
        >>> weight_effects(net, torch.tensor([[3.0, 4.0]])).tolist()
        [[3.0, 4.0]]
    """
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        output.retain_grad()
        seen[layer] = inputs[0].detach(), output

    layers = [m for m in net.modules() if isinstance(m, nn.Linear)]
    handles = [layer.register_forward_hook(keep) for layer in layers]
    try:
        with torch.enable_grad():
            # coordinates do not see each other, so the gradient of the sum is each one's own
            net(x.detach().requires_grad_()).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    net.zero_grad()
    found = []
    for layer in layers:
        inputs, output = seen[layer]
        assert output.grad is not None
        effect = output.grad[:, :, None] * inputs[:, None]
        found.append(effect.flatten(1).double().numpy())
    return np.hstack(found)


def odd_share(
    effects: Float[np.ndarray, "n w"], side: int, *, least: float = 1e-6
) -> Float64[np.ndarray, " w"]:
    """The share of each weight's effect that is odd from left to right.

    Args:
        effects: on the pixels of a square picture, row by row, (side², weights).
        side: pixels along the picture.
        least: weights whose effect is smaller than this share of the largest have NaN: they change
            nothing.

    Raises:
        ValueError: effects on another number of pixels.
    """
    e = np.asarray(effects, dtype=np.float64)
    if len(e) != side**2:
        raise ValueError(f"odd_share: effects are on {len(e)} pixels, not on {side} × {side}")
    odd = (e.reshape(side, side, -1) - e.reshape(side, side, -1)[:, ::-1]) / 2
    size = (e**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (odd**2).sum(axis=(0, 1)) / size
    return np.where(size > least**2 * size.max(), share, np.nan)
