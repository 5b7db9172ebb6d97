"""Supervised contrastive loss: rows of one class together, rows of another apart, on the unit
sphere.

    L = −1/|I| Σ_{i ∈ I} 1/|P(i)| Σ_{j ∈ P(i)} log( exp(z_i·z_j / τ) / Σ_{a ≠ i} exp(z_i·z_a / τ) )

P(i) the other rows of the class of i, I the rows that have any. This is the form with the sum
outside the logarithm. Where all rows coincide every term is log(n − 1). Cost O(n² d).

Reference: Khosla et al. (2020), Supervised contrastive learning, arXiv:2004.11362, eq. 2.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def supervised_contrastive(
    z: Float[Tensor, "n d"], y: Int[Tensor, " n"], temperature: float | int = 0.1
) -> Float[Tensor, ""]:
    """The loss of a batch; zero where no class has two rows.

    Args:
        z: representations; they are put on the unit sphere here.
        y: classes.
        temperature: τ.

    Raises:
        ValueError: a temperature that is not positive.
    """
    if temperature <= 0:
        raise ValueError(f"supervised_contrastive: temperature must be positive, got {temperature}")
    z = torch.nn.functional.normalize(z, dim=1)
    alike = z @ z.T / temperature
    self_ = torch.eye(len(z), dtype=torch.bool, device=z.device)
    log = alike - alike.masked_fill(self_, float("-inf")).logsumexp(dim=1, keepdim=True)
    positive = (y[:, None] == y[None]) & ~self_
    if not positive.any():
        return (z * 0).sum()
    count = positive.sum(dim=1)
    terms = -(log * positive).sum(dim=1) / count.clamp(min=1)
    return terms.sum() / (count > 0).sum().clamp(min=1)
