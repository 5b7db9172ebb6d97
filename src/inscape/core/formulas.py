"""Formulas of several conditions, for `inscape.core.measured.Measured.combined`.

    least rise        min over steps of s[i + 1] − s[i]          conditions in an order
    least fall        min over steps of s[i] − s[i + 1]
    above the best    s[0] − max of the others
    best gain         max of all but the last − s[last]
    means apart       mean of the first half − mean of the second
    least gain        min over i of s[i] − s[i + half]           the second half: where each starts
    least, mean       min, mean of all
    difference in differences     (s[0] − s[1]) − (s[2] − s[3])

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


def best_gain(*own: Any) -> Float64[np.ndarray, " *n"]:
    """By how much the best of several conditions is above the last one.

    Args:
        own: of each condition, and last of what they are compared with.

    Raises:
        ValueError: fewer than two conditions.

    Example:
        >>> best_gain([5.0, 1.0], [2.0, 4.0], [3.0, 4.0]).tolist()
        [2.0, 0.0]
    """
    every = _stacked("best_gain", own)
    return every[:-1].max(axis=0) - every[-1]


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
    first, second = _halves("means_apart", both)
    return first.mean(axis=0) - second.mean(axis=0)


def least_gain(*both: Any) -> Float64[np.ndarray, " *n"]:
    """By how much each condition of the first half is above its own of the second, at the least:
    several kinds of network after training, and before.

    Args:
        both: of each condition, an even number, both halves in the same order.

    Raises:
        ValueError: an odd number of conditions, or none.

    Example:
        >>> least_gain([4.0], [6.0], [1.0], [2.0]).tolist()
        [3.0]
    """
    first, second = _halves("least_gain", both)
    return (first - second).min(axis=0)


def least_of(*conditions: Any) -> Float64[np.ndarray, " *n"]:
    """The least of several conditions.

    Args:
        conditions: of each, at least one.

    Raises:
        ValueError: no condition.

    Example:
        >>> least_of([4.0, 1.0], [2.0, 3.0]).tolist()
        [2.0, 1.0]
    """
    return _stacked("least_of", conditions, 1).min(axis=0)


def mean_of(*conditions: Any) -> Float64[np.ndarray, " *n"]:
    """The mean of several conditions; arguments as in `least_of`."""
    return _stacked("mean_of", conditions, 1).mean(axis=0)


def difference_in_differences(
    one: Any, one_before: Any, other: Any, other_before: Any
) -> Float64[np.ndarray, " *n"]:
    """By how much more one condition rises over its start than another does over its own.

    Args:
        one: of the condition after a change.
        one_before: of the condition before it.
        other: of the one it is compared with, after.
        other_before: of that one, before.

    Reference: Angrist and Pischke (2009), Mostly Harmless Econometrics, §5.2.

    Example:
        >>> difference_in_differences([5.0], [1.0], [4.0], [3.0]).tolist()
        [3.0]
    """
    every = (one, one_before, other, other_before)
    a, a_before, b, b_before = _stacked("difference_in_differences", every)
    return (a - a_before) - (b - b_before)


def _halves(name: str, both: tuple[Any, ...]) -> Float64[np.ndarray, "2 k ..."]:
    every = _stacked(name, both)
    if len(every) % 2:
        raise ValueError(f"{name}: needs as many of one half as of the other, got {len(both)}")
    return every.reshape(2, -1, *every.shape[1:])


def _stacked(name: str, parts: tuple[Any, ...], least: int = 2) -> Float64[np.ndarray, "k ..."]:
    if len(parts) < least:
        count = "two conditions" if least == 2 else "one condition"
        raise ValueError(f"{name}: needs at least {count}, got {len(parts)}")
    return np.stack([np.asarray(p, dtype=np.float64) for p in parts])
