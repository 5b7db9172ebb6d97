"""Which text goes with which picture? The contrastive objective of two towers.

    L = ½ (cross-entropy of the rows of s / τ  +  that of its columns)        s: cosines of every picture and every text

Unlike `inscape.learn.info_nce`, pictures are no negatives of each other, nor are texts.

Cost: O(n² d).
Reference: Radford et al. (2021), CLIP, arXiv:2103.00020, figure 3.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def paired_contrast(
    a: Float[Tensor, "n d"], b: Float[Tensor, "n d"], temperature: float = 0.1
) -> Float[Tensor, ""]:
    """Contrastive loss of paired rows, in nats.

    Args:
        a: one side (n, d).
        b: the other, row by row its partners.
        temperature: τ, positive.

    Raises:
        ValueError: sides of other shapes, or a temperature that is not positive.

    Example:
        >>> round(float(paired_contrast(torch.eye(2), torch.eye(2), temperature=1.0)), 4)  # log(1 + 1 / e)
        0.3133
    """
    if a.shape != b.shape or not temperature > 0:
        raise ValueError(
            f"paired_contrast: sides must have one shape and temperature be positive, got {tuple(a.shape)}, "
            f"{tuple(b.shape)} and {temperature}"
        )
    scores = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    own = torch.arange(len(a))
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2
