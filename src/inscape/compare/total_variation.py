"""Total variation: how much of two distributions does not overlap?

    TV(p, q) = ½ Σ_b |p_b − q_b|          p_b, q_b: shares of the samples in bin b;   0 ≤ TV ≤ 1

It looks at each bin alone: two narrow distributions that do not overlap are at distance 1 however
near they lie, where transport (`inscape.compare.circular_transport`) tells how far. Between samples
it is too large on average, by the noise of the shares, and the more so the more bins there are.

Cost: n + m, and the bins.
Reference: Gibbs and Su (2002), Int. Stat. Rev. 70, arXiv:math/0209021.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from inscape.core.between import check_between


def total_variation(
    first: Float[np.ndarray, " n"],
    second: Float[np.ndarray, " m"],
    *,
    bins: int = 32,
    span: tuple[float, float] = (0.0, 1.0),
) -> float:
    """Total variation of the histograms of two samples.

    Args:
        first: a sample, in any unit.
        second: another, of any size.
        bins: of equal width.
        span: where the first bin begins and the last one ends, in the samples' unit.

    Returns:
        0 for equal histograms, 1 for those that share no bin.

    Raises:
        ValueError: no bin, a span without a width, no sample, or a value outside the span.

    Example:
        >>> total_variation(np.array([0.1, 0.1, 0.6, 0.6]), np.array([0.1, 0.9]), bins=2)
        0.0
        >>> total_variation(np.array([0.1, 0.1, 0.6, 0.6]), np.array([0.1, 0.9]), bins=4)
        0.5
    """
    check_between("total_variation: bins", bins, 1)
    low, high = span
    if not low < high:
        raise ValueError(f"total_variation: span must rise, got {span}")
    shares = []
    for side in (first, second):
        if not len(side) or not ((side >= low) & (side <= high)).all():
            raise ValueError(
                f"total_variation: needs samples of finite values from {low:g} to {high:g}; give "
                "span where they lie elsewhere"
            )
        shares.append(np.histogram(side, bins, span)[0] / len(side))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)
