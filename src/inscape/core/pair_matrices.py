"""Matrices of pairs of items, checked: what every comparison of dissimilarities does first.

A matrix that is not symmetric would be compared by one of its triangles alone, and a NaN ranks
nowhere: both give plausible numbers. Diagonals are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.arrays import to_numpy

#: a share of the largest entry by which two triangles may differ: rounding of single precision
_ROUNDING = 1e-5


def checked_pairs(x: Any, name: str, *, least: int = 2) -> Float64[np.ndarray, "*k n n"]:
    """One symmetric matrix, or several of the same items, as float64.

    Args:
        x: (…, n, n), an array or a tensor.
        name: what it is, for messages.
        least: fewest items.

    Raises:
        ValueError: no number for each pair, too few items, NaN or infinite numbers off the
            diagonal, or triangles that differ by more than rounding.

    Example:
        >>> checked_pairs([[0, 1], [1, 0]], "measure: x").tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    try:
        values = np.asarray(to_numpy(x)).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold a real number for each pair of items") from error
    n = values.shape[-1] if values.ndim > 1 else 0
    if n < max(least, 1) or values.shape[-2] != n:
        raise ValueError(
            f"{name} must hold a number for each pair of at least {least} items, got shape "
            f"{values.shape}"
        )
    apart = values[..., ~np.eye(n, dtype=bool)]
    if not np.isfinite(apart).all():
        raise ValueError(
            f"{name} holds NaN or infinite numbers; leave those items out on every side"
        )
    gap = np.abs(values - values.swapaxes(-1, -2))[..., ~np.eye(n, dtype=bool)]
    if gap.max(initial=0.0) > _ROUNDING * np.abs(apart).max(initial=0.0):
        raise ValueError(
            f"{name} is not symmetric; give the mean of it and its transpose, or the direction "
            "that is meant"
        )
    return values


def pair_distances(
    items: Sequence[Any] | np.ndarray, distance: Callable[[Any, Any], float]
) -> Float64[np.ndarray, "n n"]:
    """A symmetric distance of every pair of items, each pair looked at once; zero on the diagonal.

    Args:
        items: n items, or an array with one for each of its first axis.
        distance: takes two of them, in their order.

    Example:
        >>> pair_distances([1.0, 4.0, 6.0], lambda a, b: abs(a - b)).tolist()
        [[0.0, 3.0, 5.0], [3.0, 0.0, 2.0], [5.0, 2.0, 0.0]]
    """
    out = np.zeros((len(items), len(items)))
    for i, j in combinations(range(len(items)), 2):
        out[i, j] = out[j, i] = distance(items[i], items[j])
    return out
