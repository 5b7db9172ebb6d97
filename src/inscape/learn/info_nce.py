"""Which of all inputs is this the other view of? The contrastive objective of SimCLR.

    L = − mean over rows i of log ( exp(s(i, i′) / τ) / Σ_{k ≠ i} exp(s(i, k) / τ) )       s: cosine

over the 2 n rows of both views, i′ being the other view of i.

Cost: O(n² d).
Reference: Chen, Kornblith, Norouzi and Hinton (2020), SimCLR, arXiv:2002.05709, eq. 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def info_nce(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], temperature: float = 0.5
) -> Float[Tensor, ""]:
    """Contrastive loss of two views, in nats.

    Args:
        a: representations of one view (n, d).
        b: of the other, row by row of the same inputs.
        temperature: τ, positive.

    Raises:
        ValueError: sides of other shapes, or a temperature that is not positive.

    Example:
        >>> a = torch.eye(2)
        >>> round(float(info_nce(a, a, temperature=1.0)), 4)  # log(e + 2) − 1
        0.5514
    """
    if a.shape != b.shape or not temperature > 0:
        raise ValueError(
            f"info_nce: sides must have one shape and temperature be positive, got {tuple(a.shape)}, "
            f"{tuple(b.shape)} and {temperature}"
        )
    z = F.normalize(torch.cat([a, b]), dim=1)
    scores = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    n = len(a)
    other = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(scores, other)
