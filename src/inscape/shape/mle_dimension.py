"""Maximum-likelihood dimension from k neighbours, local estimates averaged by their inverses.

    1/d = mean over items of (1/(k − 1)) Σ_{j<k} log(r_k / r_j)              (MacKay and Ghahramani's average)

Averaging the inverses is what maximises the joint likelihood; the mean of local estimates
themselves (Levina and Bickel's) is biased up at small k. With ``unbiased`` the local sum is divided
by k − 2 as in Levina and Bickel's correction. Biased low in high dimension (n = 2,000, k = 20: 15
for 20, 27 for 50).

Cost: n² d.
Reference: Levina and Bickel (2004), NeurIPS 17; MacKay and Ghahramani (2005), comments on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inscape.shape.neighbour_distances import neighbour_distances


def mle_dimension(x: Any, *, k: int = 20, unbiased: bool = False) -> float:
    """The dimension at the scale of the k-th neighbour.

    Args:
        x: (n, d).
        k: neighbours, at least 3.
        unbiased: divide by k − 2 instead of k − 1.

    Raises:
        ValueError: fewer than 3 neighbours, or no more than k distinct rows.

    Example:
        >>> plane = np.random.default_rng(0).normal(size=(1000, 2))
        >>> bool(abs(mle_dimension(plane) - 2) < 0.1)
        True
    """
    if k < 3:
        raise ValueError(f"mle_dimension: k must be at least 3, got {k}")
    radius = neighbour_distances(x, k, "mle_dimension").radius
    inverse = np.log(radius[:, -1:] / radius[:, :-1]).sum(axis=1) / (k - 2 if unbiased else k - 1)
    mean = float(inverse.mean())
    if not mean > 0:
        raise ValueError(
            "mle_dimension: all neighbours are equally far, so there is no scale to read"
        )
    return 1.0 / mean
