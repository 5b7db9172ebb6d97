"""Shared factors: representations of the same items that share what they share, and no more.

    X = s Z A + noise        Z: (n, factors), the same for all;  A and the noise are each one's own

The strength s says how much of X is shared, so measures of agreement must rise with it, and be at
chance for s = 0.

Cost: O(n · factors · width) a representation.
Reference: the latent-variable models of Kornblith et al. (2019), arXiv:1905.00414, for comparing
measures.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64


def shared_factors(
    strengths: Mapping[str, float],
    n: int = 200,
    *,
    factors: int = 8,
    width: int = 32,
    rng: np.random.Generator,
) -> dict[str, Float64[np.ndarray, "n d"]]:
    """Representations of n items.

    Args:
        strengths: s of each, by name.
        n: items.
        factors: how many are shared.
        width: of each representation.
        rng: of everything.

    Example:
        >>> made = shared_factors({"a": 1.0, "b": 0.0}, 50, rng=np.random.default_rng(0))
        >>> made["a"].shape
        (50, 32)
    """
    shared = rng.normal(size=(n, factors))
    return {
        name: s * shared @ rng.normal(size=(factors, width)) + rng.normal(size=(n, width))
        for name, s in strengths.items()
    }
