"""RankMe: the exponential entropy of the singular values, as it was defined for choosing
self-supervised networks.

    RankMe = exp(−Σ p log p),   p = σ / Σ σ + ε          σ: singular values of the rows, *not* centred; ε = 1e-7

ε is added and the shares are not divided again, as published; ε is part of the name (1e-5 gave 12.6
for 10.0). Rows are not centred: an offset common to all of them lowers it (504 to 13). It is capped
by min(n, d) and grows with n (512 true dimensions: 237 at n = 256, 504 at 4,096), so only
representations of one n are comparable.

Cost: as `inscape.shape.spectrum`.
Reference: Garrido et al. (2023), RankMe, arXiv:2210.02885, eq. 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inscape.shape.spectrum import singular_values


def rankme(x: Any, *, epsilon: float = 1e-7) -> float:
    """RankMe of a representation.

    Args:
        x: (n, d), not centred.
        epsilon: added to every share.

    Returns:
        About 1 to min(n, d).

    Raises:
        ValueError: rows that are all zero, or a negative epsilon.

    Example:
        >>> round(rankme(np.eye(4)), 3)
        4.0
    """
    if epsilon < 0:
        raise ValueError(f"rankme: epsilon must not be negative, got {epsilon}")
    found = singular_values(x)
    shares = found / found.sum() + epsilon
    shares = shares[shares > 0]
    return float(np.exp(-(shares * np.log(shares)).sum()))
