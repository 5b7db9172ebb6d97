"""The median with an interval from order statistics, whatever the distribution.

    P(X_(k) < median < X_(n+1−k)) = 1 − 2 Bin(k − 1; n, ½)
    ends at the ranks ½ ± z / (2 √n)

The ranks are those of the normal approximation, interpolated; items are taken to be independent.

Reference: Thompson (1936), Ann. Math. Stat. 7; Conover (1999), Practical Nonparametric Statistics,
§3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from inscape.core.evidence import Evidence


def median_evidence(
    name: str, values: Float[np.ndarray, " n"], *, level: float = 0.95, **more: Any
) -> Evidence:
    """The median as evidence.

    Args:
        name: what it is the median of.
        values: independent items.
        level: of the interval.
        more: further fields of `Evidence`.

    Example:
        >>> e = median_evidence("x", np.arange(101.0))
        >>> e.value, [round(end, 1) for end in e.interval]
        (50.0, [40.2, 59.8])
    """
    reach = float(norm.ppf((1 + level) / 2)) / (2 * np.sqrt(len(values)))
    middle, low, high = np.quantile(values, [0.5, max(0, 0.5 - reach), min(1, 0.5 + reach)])
    ends = float(low), float(high)
    return Evidence(name, float(middle), ends, n=len(values), level=level, **more)
