"""How many items does it take to see that two similarities differ by so much?

From a pilot of n items, with θ₍₋i₎ the difference of the two similarities without item i, the
difference's variance at N items is

    V(N) = V n / N,   V = Σ_i (θ₍₋i₎ − mean)²            N = V n ((z_(1−α/2) + z_power) / δ)²

Both similarities are of the same items, so what is hard for both cancels.

Cost: none beside a map.
Reference: Efron and Tibshirani (1993), ch. 11; Lachin (1981), Controlled Clinical Trials 2, for the
formula.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from inscape.compare.similarity_map import SimilarityMap


def items_needed(
    pilot: SimilarityMap,
    first: tuple[int, int],
    second: tuple[int, int] | None = None,
    *,
    difference: float = 0.05,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Items needed to detect a difference between two cells of a map, or of one cell from a fixed
    value.

    Args:
        pilot: a map of some tens of items or more.
        first: row and column of a cell.
        second: the cell it is compared with; None for a fixed number.
        difference: what must be detected.
        alpha: two-sided level of the test.
        power: how often it must be detected.

    Raises:
        ValueError: a difference that is not positive, levels outside (0, 1), or cells that do not
            vary over items, such as one of a site with itself.
    """
    if not difference > 0 or not 0 < alpha < 1 or not 0 < power < 1:
        raise ValueError(
            "items_needed: difference must be positive, alpha and power between 0 and 1, got "
            f"{difference}, {alpha} and {power}"
        )
    shift = pilot.without[first] - pilot.values[first]
    if second is not None:
        shift = shift - (pilot.without[second] - pilot.values[second])
    variance = float(np.sum((shift - shift.mean()) ** 2))
    if not 1e-24 < variance < np.inf:  # rounding of a similarity of 1 is no variance
        raise ValueError(
            "items_needed: the cells do not vary over the pilot's items (a site with itself, or a "
            "cell with itself); choose two that do"
        )
    reach = (norm.ppf(1 - alpha / 2) + norm.ppf(power)) / difference
    return int(np.ceil(variance * pilot.n * reach**2))
