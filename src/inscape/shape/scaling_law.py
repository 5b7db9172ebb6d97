"""Scaling law: does a quantity fall as a power of the size, and with which exponent?

    y ≈ c x^(−e),    −e: the least-squares slope of log y on log x

The interval of an exponent is over what varies, networks or data: fit each one's, and give these to
`inscape.core.Measured`.

Cost: negligible.
Reference: Kaplan et al. (2020), arXiv:2001.08361.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class ScalingLaw(NamedTuple):
    """A fitted power law.

    Attributes:
        exponent: e; positive where the quantity falls.
        factor: c.
        r2: share of the variance of log y that the line explains; 1 where log y does not vary.
    """

    exponent: float
    factor: float
    r2: float


def scaling_law(sizes: Any, values: Any) -> ScalingLaw:
    """The power law of a quantity.

    Args:
        sizes: x, (n,), positive.
        values: y, (n,), positive.

    Raises:
        ValueError: unequal lengths, a number that is not positive, or fewer than two sizes.

    Example:
        >>> round(scaling_law([1, 2, 4], [8.0, 4.0, 2.0]).exponent, 6)
        1.0
    """
    x, y = (np.asarray(a, dtype=np.float64) for a in (sizes, values))
    if x.shape != y.shape or x.ndim != 1 or not ((x > 0).all() and (y > 0).all()):
        raise ValueError(
            "scaling_law: needs as many values as sizes, all of them positive, got shapes "
            f"{x.shape} and {y.shape}"
        )
    if len(np.unique(x)) < 2:
        raise ValueError("scaling_law: a slope needs at least two sizes")
    a, b = np.log(x), np.log(y)
    middle, level = a.mean(), b.mean()
    a, b = a - middle, b - level
    slope, total = float(a @ b / (a @ a)), float(b @ b)
    r2 = 1.0 if total == 0 else 1 - float(((b - slope * a) ** 2).sum()) / total
    return ScalingLaw(-slope, float(np.exp(level - slope * middle)), r2)
