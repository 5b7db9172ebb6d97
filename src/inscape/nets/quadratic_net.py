"""One hidden layer of squares that learns a table of pairs.

    f(a, b) = Σ_i w_i (u_i(a) + v_i(b))²

u_i and v_i are numbers for each element, w_i one for each answer. The function is homogeneous of
degree 3 in a neuron (u_i, v_i, w_i), so that the norm which belongs to its margin is

    ‖θ‖³_{2,3} = Σ_i ‖(u_i, v_i, w_i)‖³

Cost: n² numbers for each neuron, and one product with w.
Reference: Morwani et al. (2024), arXiv:2311.07568, section 3.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class QuadraticNet(nn.Module):
    """A network of all pairs of n elements, without biases.

    Args:
        table: the answer of each pair, one of the n elements.
        width: neurons.

    The initial weights are normal with variance 1/n, so that a neuron's u has about norm 1.
    """

    def __init__(self, table: Int[np.ndarray, "n n"], width: int) -> None:
        super().__init__()
        n = len(table)
        self.u, self.v, self.w = (nn.Parameter(torch.randn(n, width) / n**0.5) for _ in range(3))
        self.register_buffer("answers", torch.from_numpy(table.copy()))

    def forward(self) -> Float[Tensor, "n n answers"]:
        """Logits of every pair (a, b)."""
        return (self.u[:, None] + self.v[None]).square() @ self.w.T

    def loss(self) -> Float[Tensor, ""]:
        """Cross-entropy over all pairs."""
        return F.cross_entropy(self().flatten(0, 1), self.answers.flatten())

    def norm_cubed(self) -> Float[Tensor, ""]:
        """‖θ‖³ in the norm L_{2,3}: the cubes of the neurons' norms, added."""
        squares = self.u.square().sum(0) + self.v.square().sum(0) + self.w.square().sum(0)
        return squares.pow(1.5).sum()
