"""What every comparison asks of its input: two tables of numbers whose rows are the same items.

Checked once, at the door of each measure: two axes, as many rows on both sides, finite numbers, enough rows.
Everything is float64 from there on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.arrays import to_numpy


def paired_rows(
    x: Any, y: Any, caller: str, *, least: int = 4
) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, "n e"]]:
    """Both representations as float64 arrays.

    Args:
        x: the first, rows are items; an array or a tensor.
        y: the second, the same items in the same order.
        caller: name of the measure, for messages.
        least: fewest rows for which it is defined.

    Raises:
        ValueError: not two axes, other items, too few of them, or a number that is not finite.

    Example:
        >>> paired_rows([[1, 2], [3, 4]], [[1], [2]], "measure", least=2)[1].shape
        (2, 1)
    """
    a, b = checked_rows(x, f"{caller}: x", least=least), checked_rows(y, f"{caller}: y", least=1)
    if len(a) != len(b):
        raise ValueError(
            f"{caller}: x has {len(a)} rows and y has {len(b)}; give the same items in the same order"
        )
    return a, b


def checked_rows(x: Any, name: str, *, least: int = 1) -> Float64[np.ndarray, "n d"]:
    """One representation as a float64 array.

    Raises:
        ValueError: as in `paired_rows`.
    """
    out = np.asarray(to_numpy(x), dtype=np.float64)
    if out.ndim != 2 or out.shape[1] == 0:
        raise ValueError(
            f"{name} must have two axes, items and features, got shape {out.shape}; "
            "pool or flatten the others first"
        )
    if len(out) < least:
        raise ValueError(f"{name} has {len(out)} rows, and this needs at least {least}")
    if not np.isfinite(out).all():
        raise ValueError(
            f"{name} holds NaN or infinite numbers; leave those rows out on both sides"
        )
    return out


def centred_rows(x: Float64[np.ndarray, "n d"]) -> Float64[np.ndarray, "n d"]:
    """Rows about their mean; a feature that varies by nothing but rounding becomes exactly zero.

    Example:
        >>> centred_rows(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 2.0]])).tolist()
        [[0.0, -1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    mean = x.mean(axis=0)
    out = x - mean
    still = np.abs(out).max(axis=0) <= 8 * np.finfo(np.float64).eps * np.abs(mean)
    out[:, still] = 0.0
    return out
