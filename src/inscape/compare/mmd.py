"""Maximum mean discrepancy and energy distance: are two sets of rows drawn from one distribution,
whatever is paired?

    MMD² = E k(x, x′) + E k(y, y′) − 2 E k(x, y)          k: Gaussian, its width the median distance of all rows
    energy = 2 E ‖x − y‖ − E ‖x − x′‖ − E ‖y − y′‖

Expectations are over pairs of different rows, so both are 0 on average for one distribution and may
be negative.

Cost: n² d.
Reference: Gretton et al. (2012), JMLR 13, eq. 3; Székely and Rizzo (2013), J. Stat. Planning and
Inference 143.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from inscape.core.item_rows import checked_rows


def mmd(x: Any, y: Any) -> float:
    """Squared maximum mean discrepancy, unbiased.

    Args:
        x: (n, d), at least two rows.
        y: (m, d).

    Raises:
        ValueError: rows of other widths, or rows that are all the same.

    Example:
        >>> a, b = np.random.default_rng(0).normal(size=(2, 200, 3))
        >>> abs(mmd(a, b)) < 0.01 < mmd(a, b + 1)
        True
    """
    within, other, between = _distances(x, y, "mmd")
    apart = [d[np.triu_indices(len(d), 1)] for d in (within, other)]
    every = np.concatenate([*apart, between.ravel()])
    width = float(np.median(every[every > 0])) if (every > 0).any() else 0.0
    if width == 0:
        raise ValueError("mmd: all rows are the same, so there is no width")
    kernels = [np.exp(-((d / width) ** 2) / 2) for d in (within, other, between)]
    return _off_diagonal(kernels[0]) + _off_diagonal(kernels[1]) - 2 * float(kernels[2].mean())


def energy_distance(x: Any, y: Any) -> float:
    """Energy distance, in the unit of the rows.

    Args:
        x: (n, d), at least two rows.
        y: (m, d).

    Raises:
        ValueError: rows of other widths.

    Example:
        >>> energy_distance([[0.0], [0.0]], [[3.0], [3.0]])
        6.0
    """
    within, other, between = _distances(x, y, "energy_distance")
    return 2 * float(between.mean()) - _off_diagonal(within) - _off_diagonal(other)


def _distances(x: Any, y: Any, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = (checked_rows(side, f"{name}: {which}", least=2) for side, which in ((x, "x"), (y, "y")))
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{name}: rows have {a.shape[1]} and {b.shape[1]} features; give the same")
    return cdist(a, a), cdist(b, b), cdist(a, b)


def _off_diagonal(values: np.ndarray) -> float:
    n = len(values)
    return float((values.sum() - np.trace(values)) / (n * (n - 1)))
