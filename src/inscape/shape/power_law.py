"""Power law: does the variance fall as a power of the rank, and with which exponent?

    λ_i ∝ i^(−α),    α: minus the least-squares slope of log λ_i on log i over a range of ranks

α = 1 is the border at which a code of many dimensions is still smooth. The first components are led
by single factors and the last by n, so the range is part of the result; r² says whether the fall is
a power law at all.

Cost: as `inscape.shape.spectrum`.
Reference: Stringer et al. (2019), Nature 571; Agrawal et al. (2022), α-ReQ, NeurIPS 35.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from inscape.shape.spectrum import variances


class PowerLaw(NamedTuple):
    """A fitted power law.

    Attributes:
        exponent: α.
        r2: share of the variance of log λ that the line explains.
        ranks: first and last rank of the fit, counted from 1.
    """

    exponent: float
    r2: float
    ranks: tuple[int, int]


def power_law(x: Any, *, first: int = 10, last: int | None = None) -> PowerLaw:
    """The exponent of the variances' fall.

    Args:
        x: (n, d).
        first: first rank of the fit, from 1.
        last: last rank; None for half of min(n − 1, d), beyond which the sample bends the spectrum.

    Raises:
        ValueError: rows that are all the same, or fewer than three ranks with variance in the
            range.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(4000, 60)) * np.arange(1, 61) ** -0.5
        >>> bool(abs(power_law(x).exponent - 1.0) < 0.1)
        True
    """
    found = variances(x)
    stop = len(found) // 2 if last is None else last
    kept = max(min(stop, len(found)), 0)
    floor = found[0] * kept * np.finfo(np.float64).eps
    found = found[:kept][found[:kept] > floor]
    if first < 1 or len(found) - first < 2:
        raise ValueError(
            f"power_law: ranks {first} to {stop} hold {max(len(found) - first + 1, 0)} variances "
            "above rounding, and a line needs three; choose first and last otherwise, or give more "
            "rows"
        )
    a, b = np.log(np.arange(first, len(found) + 1)), np.log(found[first - 1 :])
    a, b = a - a.mean(), b - b.mean()
    slope = float(a @ b / (a @ a))
    total = float(b @ b)
    r2 = 1.0 if total == 0 else 1 - float(((b - slope * a) ** 2).sum()) / total
    return PowerLaw(-slope, r2, (first, len(found)))
