"""Entropy rank: the exponential of the spectrum's entropy, the number of equal components that
would be as uncertain.

    exp H(λ / Σ λ)                λ: variances of the centred rows

Also the exponential of the von Neumann entropy of the covariance over its trace. Other than RankMe,
which takes singular values and does not centre. Capped by min(n − 1, d), and growing with n below
that: fix n.

Cost: as `inscape.shape.spectrum`.
Reference: Roy and Vetterli (2007), The effective rank, EUSIPCO, on variances; Wei et al. (2024),
Diff-eRank, arXiv:2401.17139.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from inscape.core.item_rows import checked_rows
from inscape.core.jackknife import Jackknife, left_out
from inscape.shape.spectrum import entropy, variances


def entropy_rank(x: Any) -> float:
    """Exponential entropy of the variances.

    Args:
        x: (n, d).

    Returns:
        Between 1 and min(n − 1, d).

    Raises:
        ValueError: rows that are all the same.

    Example:
        >>> round(entropy_rank(np.concatenate([np.eye(3), -np.eye(3)])), 9)
        3.0
    """
    found = variances(x)
    return float(np.exp(entropy(found / found.sum())))


def entropy_rank_over_sets(x: Float[np.ndarray, "n d"], sets: int = 50) -> Jackknife:
    """The entropy rank, jackknifed over sets of rows.

    Args:
        x: (n, d).
        sets: how many; row i is of set i mod sets.
    """
    x = checked_rows(x, "entropy_rank_over_sets: x")
    return left_out(lambda rows: entropy_rank(x[rows]), np.arange(len(x)) % sets, "positive")
