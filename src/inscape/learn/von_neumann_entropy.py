"""How evenly does a representation use its directions? An objective that raises or lowers that.

    C = HᵀH / N   (rows of H at length 1, so that tr C = 1)
    S(C) = −Σ λ log λ      λ = σ(H)² / N

S is 0 where all rows lie on one line and log min(N, d) where they fill all directions alike. Added
to any loss as −α S it spreads the eigenvalues (VNE⁺), as +α S it draws them together (VNE⁻).
`i_vne` is self-supervised learning by it: two views of one input must agree while the entropy keeps
the views of all inputs apart.

    I-VNE⁺   − α₁ mean cos(a, b) − α₂ (S(a) + S(b)) / 2

Cost: one singular value decomposition of the batch, O(N d min(N, d)).
Reference: Kim, Kang, Hwang, Shin and Rhee (2023), VNE, arXiv:2304.01434, eq. 3 and section 4.3.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def von_neumann_entropy(h: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """Entropy of the eigenvalues of the autocorrelation of rows at length 1, in nats.

    Args:
        h: (n, d), not centred; a row of zeros adds nothing.

    Returns:
        A scalar between 0 and log min(n, d), with a gradient.

    Raises:
        ValueError: no rows.

    Example:
        >>> round(float(von_neumann_entropy(torch.eye(4))), 4) == round(math.log(4), 4)
        True
    """
    if not len(h):
        raise ValueError("von_neumann_entropy: h has no rows")
    shares = torch.linalg.svdvals(F.normalize(h, dim=1)).square() / len(h)
    # x log x has the limit 0 at 0, where its derivative has none
    return -(shares * shares.clamp_min(torch.finfo(h.dtype).tiny).log()).sum()


def with_entropy(
    loss: Float[Tensor, ""], h: Float[Tensor, "n d"], strength: float
) -> Float[Tensor, ""]:
    """Any loss less α times the entropy of the representation it is made of.

    Args:
        loss: of the task, such as a cross-entropy.
        h: representations of the batch, (n, d).
        strength: α; above 0 entropy rises (VNE⁺), below 0 it falls (VNE⁻), at 0 it is not computed.

    Example:
        >>> round(float(with_entropy(torch.tensor(2.0), torch.eye(4), 0.5)), 4)
        1.3069
    """
    return loss - strength * von_neumann_entropy(h) if strength else loss


def i_vne(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    align: float | None = None,
    spread: float = 1.0,
) -> Float[Tensor, ""]:
    """Loss of two views by agreement and entropy, without negatives, predictor or momentum.

    Args:
        a: representations of one view (n, d).
        b: of the other, row by row of the same inputs.
        align: α₁; log n where none is given, the largest entropy that n rows can have.
        spread: α₂; 0 leaves agreement alone, which collapses.
    """
    align = math.log(len(a)) if align is None else align
    agreement = F.cosine_similarity(a, b, dim=1).mean()
    loss = -align * agreement
    if spread:
        loss = loss - spread * (von_neumann_entropy(a) + von_neumann_entropy(b)) / 2
    return loss
