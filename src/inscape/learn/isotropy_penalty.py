"""How far is a representation's autocorrelation from a sphere? The Frobenius penalty.

    ‖C − I / d‖²_F        C = HᵀH / N, rows of H at length 1

The plain rival of the von Neumann entropy: the same target, with a gradient that is weak on small
eigenvalues.

Cost: O(N d²).
Reference: Kim, Kang, Hwang, Shin and Rhee (2023), VNE, arXiv:2304.01434, section 3.2 (the Frobenius
norm it is compared with); Bardes, Ponce and LeCun (2021), VICReg, arXiv:2105.04906, for a
covariance term in self-supervised learning.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inscape.learn.von_neumann_entropy import i_vne


def isotropy_penalty(h: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Squared distance of the autocorrelation from that of a sphere.

    Args:
        h: (n, d).

    Returns:
        Between 0 and 1 − 1 / d (all rows on one line).

    Raises:
        ValueError: no rows.

    Example:
        >>> round(float(isotropy_penalty(torch.ones(5, 4))), 4)
        0.75
    """
    if not len(h):
        raise ValueError("isotropy_penalty: h has no rows")
    z = F.normalize(h, dim=1)
    c = z.T @ z / len(h)
    return (c - torch.eye(h.shape[1], dtype=h.dtype) / h.shape[1]).square().sum()


def agreement_and_isotropy(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], weight: float
) -> Float[Tensor, ""]:
    """Loss of two views by agreement and this penalty: `i_vne` with the penalty in place of the
    entropy.

    Args:
        a: representations of one view (n, d).
        b: of the other, row by row of the same inputs.
        weight: of the penalty; log d gives it the range that the entropy has.
    """
    penalty = (isotropy_penalty(a) + isotropy_penalty(b)) / 2
    return i_vne(a, b, spread=0.0) + weight * penalty
