"""Alignment and uniformity of unit vectors: are views of one item together, and are items spread
over the sphere?

    alignment  = mean ‖u_i − u_i⁺‖^α                       α = 2
    uniformity = log mean over i ≠ j of exp(−t ‖u_i − u_j‖²)             t = 2

Rows are brought to unit length first, and an item is no pair with itself (with such pairs, −3.38
was read for −3.99 at n = 64). Both are lower the better. Uniformity of a uniform sphere in many
dimensions tends to −2t.

Cost: n d, and n² d in blocks for uniformity.
Reference: Wang and Isola (2020), Understanding contrastive representation learning,
arXiv:2005.10242, eq. 4 and 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from inscape.core.item_rows import checked_rows


def alignment(x: Any, y: Any, *, alpha: float = 2.0) -> float:
    """Mean distance of two views of each item on the unit sphere, to the power α.

    Args:
        x: one view of each item, (n, d).
        y: another view of the same items, (n, d).
        alpha: the power.

    Raises:
        ValueError: views of other shapes, or a row of zeros.

    Example:
        >>> alignment(np.eye(2), np.eye(2)), alignment(np.eye(2), -np.eye(2))
        (0.0, 4.0)
    """
    one, two = _unit(x, "alignment: x"), _unit(y, "alignment: y")
    if one.shape != two.shape:
        raise ValueError(
            f"alignment: views have shapes {one.shape} and {two.shape}; give two views of the same "
            "items"
        )
    return float((np.linalg.norm(one - two, axis=1) ** alpha).mean())


def uniformity(x: Any, *, t: float = 2.0) -> float:
    """Logarithm of the mean Gaussian potential of two different items on the unit sphere.

    Args:
        x: (n, d), at least 2 rows.
        t: sharpness of the potential.

    Raises:
        ValueError: a row of zeros, or t that is not positive.

    Example:
        >>> round(uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])), 9)
        -8.0
    """
    if not t > 0:
        raise ValueError(f"uniformity: t must be positive, got {t}")
    unit = _unit(x, "uniformity: x", least=2)
    n, step = len(unit), max(1, 2**22 // len(unit))
    sums = []
    for first in range(0, n, step):
        part = unit[first : first + step]
        power = -2 * t * np.maximum(1 - part @ unit.T, 0.0)  # ‖u − v‖² = 2 (1 − cos)
        power[np.arange(len(part)), first + np.arange(len(part))] = -np.inf
        sums.append(logsumexp(power))
    return float(logsumexp(sums) - np.log(n * (n - 1)))


def _unit(x: Any, name: str, least: int = 1) -> np.ndarray:
    rows = checked_rows(x, name, least=least)
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (size > 0).all():
        raise ValueError(f"{name} has a row of zeros, which has no direction; leave it out")
    return rows / size
