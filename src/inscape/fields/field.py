"""What value does a signal have at a coordinate? A network that is one signal.

    x → encoding → linear, ReLU → hidden × (linear, ReLU) → linear → value
    encoding   x, sin(2^i π x), cos(2^i π x) for i = 0 … octaves − 1;   x alone for octaves = 0

The hidden layers are made by a factory, so that another parameterisation of their weights is one
argument.

Cost: O(hidden · width²) a coordinate.
Reference: Tancik et al. (2020), Fourier features, arXiv:2006.10739; Mildenhall et al. (2020), NeRF,
arXiv:2003.08934, eq. 4, for the encoding.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn


def he_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer whose weights have variance 2 / inputs (He et al. 2015); biases of zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


class Field(nn.Module):
    """A perceptron of coordinates.

    Args:
        inputs: coordinates.
        outputs: values.
        width: of the hidden layers.
        hidden: layers from width to width.
        octaves: of the positional encoding; 0 for none.
        linear: makes a hidden layer from its two widths.

    Example:
        >>> Field(2, 3, width=8)(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int = 1,
        *,
        width: int = 64,
        hidden: int = 3,
        octaves: int = 0,
        linear: Callable[[int, int], nn.Module] = he_linear,
    ) -> None:
        super().__init__()
        self.octaves = octaves
        self.first = nn.Linear(inputs * (1 + 2 * octaves), width)
        self.hidden = nn.ModuleList([linear(width, width) for _ in range(hidden)])
        self.last = he_linear(width, outputs)

    def encode(self, x: Float[Tensor, "n inputs"]) -> Float[Tensor, "n features"]:
        """Coordinates with their sines and cosines."""
        waves = [x * (2**i * math.pi) for i in range(self.octaves)]
        return torch.cat([x, *(f(w) for w in waves for f in (torch.sin, torch.cos))], dim=1)

    def forward(self, x: Float[Tensor, "n inputs"]) -> Float[Tensor, "n outputs"]:
        """The values at coordinates."""
        h = torch.relu(self.first(self.encode(x)))
        for layer in self.hidden:
            h = torch.relu(layer(h))
        return self.last(h)
