"""Fold networks of composed weights, and keep by how much the folded ones differ.

    gap = max over networks and inputs of |f(x) − folded f(x)|

It is an identity up to rounding, so a gap beyond that is a mistake. Cost: a forward pass of both.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.fields.fourier_linear import folded


class CheckedFolding:
    """Folds every network that it is given; as ``deploy`` of an arm it checks all that are trained.

    Args:
        x: inputs on which networks are compared, (n, inputs).

    Attributes:
        gap: largest difference so far, in units of the networks' values; 0 before any, infinite
            where a network's values are not finite.

    Example:
        >>> from inscape.fields import Field, FourierLinear
        >>> folding = CheckedFolding(torch.zeros(5, 2))
        >>> plain = folding(Field(2, width=8, linear=FourierLinear))
        >>> type(plain.hidden[0]).__name__, folding.gap < 1e-5
        ('Linear', True)
    """

    def __init__(self, x: Float[Tensor, "n inputs"]) -> None:
        self.x, self.gap = x, 0.0

    @torch.no_grad()
    def __call__(self, net: nn.Module) -> nn.Module:
        """The folded copy of a network."""
        flat = folded(net)
        gap = float((net(self.x) - flat(self.x)).abs().max())
        self.gap = max(self.gap, gap if math.isfinite(gap) else math.inf)
        return flat
