"""Formulas of several conditions, for `inscape.core.measured.Measured.combined`.

    least rise        min over steps of s[i + 1] − s[i]          conditions in an order
    least fall        min over steps of s[i] − s[i + 1]
    above the best    s[0] − max of the others
    means apart       mean of the first half − mean of the second

Each takes one array a condition and works elementwise, so that jackknifed statistics stay paired.
Cost: one pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64


def least_rise(*steps: Any) -> Float64[np.ndarray, " *n"]:
    """By how much the statistic rises from each condition to the next, at the least.

    Args:
        steps: of each condition, in order; at least two.

    Raises:
        ValueError: fewer than two conditions.

    Example:
        >>> least_rise([1.0, 0.0], [3.0, 5.0], [4.0, 4.0]).tolist()
        [1.0, -1.0]
    """
    return np.diff(_stacked("least_rise", steps), axis=0).min(axis=0)


def least_fall(*steps: Any) -> Float64[np.ndarray, " *n"]:
    """By how much the statistic falls from each condition to the next, at the least; arguments as
    in `least_rise`.
    """
    return -np.diff(_stacked("least_fall", steps), axis=0).max(axis=0)


def above_best(own: Any, *others: Any) -> Float64[np.ndarray, " *n"]:
    """By how much a condition is above the best of its competitors.

    Args:
        own: of the condition.
        others: of each competitor.

    Raises:
        ValueError: no competitor.

    Example:
        >>> above_best([5.0, 1.0], [2.0, 0.0], [3.0, 4.0]).tolist()
        [2.0, -3.0]
    """
    every = _stacked("above_best", (own, *others))
    return every[0] - every[1:].max(axis=0)


def means_apart(*both: Any) -> Float64[np.ndarray, " *n"]:
    """The mean of the first half of the conditions less that of the second.

    Args:
        both: of each condition, an even number; one may be named several times.

    Raises:
        ValueError: an odd number of conditions, or none.

    Example:
        >>> means_apart([4.0], [6.0], [1.0], [2.0]).tolist()
        [3.5]
    """
    every = _stacked("means_apart", both)
    if len(every) % 2:
        raise ValueError(f"means_apart: needs as many of one half as of the other, got {len(both)}")
    half = len(every) // 2
    return every[:half].mean(axis=0) - every[half:].mean(axis=0)


def _stacked(name: str, parts: tuple[Any, ...]) -> Float64[np.ndarray, "k ..."]:
    if len(parts) < 2:
        raise ValueError(f"{name}: needs at least two conditions, got {len(parts)}")
    return np.stack([np.asarray(p, dtype=np.float64) for p in parts])
