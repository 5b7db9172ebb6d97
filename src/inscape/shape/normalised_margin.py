"""The normalised margin of a classifier whose output is homogeneous in its weights.

    margin = min over items of (logit of the answer − highest other logit)
    normalised = margin / ‖θ‖^r                           r: degree of homogeneity

The network that maximises it is what training with a vanishing penalty on that norm goes to. For
addition modulo p, squares as activation and the norm L_{2,3} (r = 3) its highest value is

    γ* = √(2/27) / (√p (p − 1))

Cost: one pass over the logits.
Reference: Wei, Lee, Liu and Ma (2019), arXiv:1810.05369, theorem 4.1; Morwani et al. (2024),
arXiv:2311.07568, theorem 7.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def normalised_margin(
    logits: Float[Tensor, "*items answers"], answers: Any, power: Any
) -> Float[Tensor, ""]:
    """Least margin over all items, over the power of the norm.

    Args:
        logits: of each item.
        answers: the right one of each item, shape (*items).
        power: ‖θ‖^r, above 0.

    Raises:
        ValueError: a power that is not above 0.

    Example:
        >>> normalised_margin(torch.tensor([[3.0, 1.0], [0.0, 4.0]]), [0, 1], 2.0).item()
        1.0
    """
    size = float(torch.as_tensor(power).detach())
    if size <= 0:
        raise ValueError(f"normalised_margin: the norm must be above 0, got {size}")
    right = torch.as_tensor(answers)[..., None]
    own = logits.gather(-1, right)[..., 0]
    others = logits.scatter(-1, right, -torch.inf).amax(-1)
    return (own - others).min() / power


def highest_modular_margin(p: int) -> float:
    """γ*, the highest normalised margin for addition modulo p.

    Args:
        p: a prime of at least 5.

    Raises:
        ValueError: another number.

    Example:
        >>> round(highest_modular_margin(23), 6)
        0.00258
    """
    if p < 5 or any(p % k == 0 for k in range(2, p)):
        raise ValueError(f"highest_modular_margin: p must be a prime of at least 5, got {p}")
    return float((2 / 27) ** 0.5 / (p**0.5 * (p - 1)))
