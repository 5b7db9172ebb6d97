"""MEXA: how often a text is nearest to its own translation among all translations, in both directions.

    aligned_i = cos(x_i, y_i) > max over j ≠ i of cos(x_i, y_j) and of cos(x_j, y_i)        MEXA = mean of aligned_i

Chance is 1/(2n − 1) for n pairs: one cosine of 2n − 1 is the largest. Numbers of different n are not comparable. Cost: n² d.
Reference: Kargaran et al. (2024), MEXA, arXiv:2410.05873, eq. 1.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float


def mexa(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Which pairs are aligned; the score is the mean.

    Args:
        x: texts in one language, one row each.
        y: their translations, in the same order.

    Raises:
        ValueError: fewer than two pairs.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> mexa(x, x).tolist(), mexa(x, x[::-1]).tolist()
        ([True, True], [False, False])
    """
    if len(x) < 2 or x.shape != y.shape:
        raise ValueError(
            f"mexa: needs two pairs or more of one width, got shapes {x.shape} and {y.shape}"
        )
    a, b = (
        np.divide(z, norm, out=np.zeros_like(z), where=norm > 0)
        for z in (np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
        for norm in [np.linalg.norm(z, axis=1, keepdims=True)]
    )
    cosine = a @ b.T
    own = np.diag(cosine).copy()
    np.fill_diagonal(cosine, -np.inf)
    return own > np.maximum(cosine.max(axis=0), cosine.max(axis=1))
