"""Settings drawn at random on a logarithmic scale, as a random search over hyperparameters does.

    log x ~ uniform(log least, log greatest)          every setting on its own

Cost: that of the draws. Reference: Bergstra and Bengio (2012), Random search for hyper-parameter
optimization, JMLR 13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64


def log_uniform(
    ends: Sequence[tuple[float, float]], n: int, *, rng: np.random.Generator
) -> Float64[np.ndarray, "n settings"]:
    """Random settings, one row a draw.

    Args:
        ends: least and greatest value of each setting, both above 0.
        n: draws.
        rng: of the draws.

    Raises:
        ValueError: no setting, an end that is not above 0 and finite, or ends that fall.

    Example:
        >>> found = log_uniform([(1e-4, 1e-2), (1.0, 1.0)], 5, rng=np.random.default_rng(0))
        >>> found.shape, set(found[:, 1].tolist())
        ((5, 2), {1.0})
    """
    low, high = np.array(ends, dtype=np.float64).reshape(-1, 2).T
    if not len(low) or not (low > 0).all() or not (low <= high).all() or np.isinf(high).any():
        raise ValueError(
            f"log_uniform: ends must be above 0 and not fall, and be finite, got {list(ends)}"
        )
    return np.exp(rng.uniform(np.log(low), np.log(high), (n, len(low))))
