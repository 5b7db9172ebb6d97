"""The toy model of superposition: a linear layer, its transpose, a bias and a rectifier.

    x̂ = ReLU(Wᵀ W x + b),    W ∈ R^(m×n)

Column W_i is the direction of feature i in a space of m dimensions; with m below n features are
left out or share directions.

Cost: 4 m n multiplications an input, forward.
Reference: Elhage et al. (2022), Toy models of superposition, transformer-circuits.pub.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F


class TiedAutoencoder(nn.Module):
    """Columns start with entries of variance 1 / m, so with lengths around 1; biases start at 0.

    Args:
        features: n.
        width: m.
        rng: of the columns; PyTorch's global stream where none is given.
    """

    def __init__(self, features: int, width: int, rng: torch.Generator | None = None) -> None:
        super().__init__()
        self.columns = nn.Parameter(torch.randn(width, features, generator=rng) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """Reconstructions."""
        return F.relu(x @ self.columns.T @ self.columns + self.bias)

    def directions(self) -> Float[np.ndarray, "n m"]:
        """The direction of each feature, one a row, in double precision."""
        return self.columns.detach().double().cpu().numpy().T

    def represented(self, least: float = 0.5) -> Bool[np.ndarray, " n"]:
        """Features whose direction is longer than `least`."""
        return np.linalg.norm(self.directions(), axis=1) > least
