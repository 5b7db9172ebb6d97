"""Rows of items, checked and centred: what every measure of representations does first.

Arrays and tensors of any float kind become float64 with two axes, items and features, finite,
enough rows. Centring leaves nothing where a feature varies by rounding alone, so that no structure
is found in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.arrays import to_numpy

#: fourth powers of it, summed, are still numbers of float64
_LEAST = 1e-75


def checked_rows(x: Any, name: str, *, least: int = 1) -> Float64[np.ndarray, "n d"]:
    """One representation as a float64 array.

    Raises:
        ValueError: not two axes, too few rows, what is no real number or not finite, or numbers so
            small or large that products of four of them leave the range of float64.
    """
    given = np.asarray(to_numpy(x))
    if given.dtype.kind == "c":
        raise ValueError(f"{name} holds complex numbers; give real ones, such as their parts")
    try:
        out = given.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold real numbers, got {given.dtype}") from error
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
    most = float(np.abs(out).max(initial=0.0))
    if most and not _LEAST < most < 1 / _LEAST:
        raise ValueError(
            f"{name} holds numbers of {most:.0e} at most, whose products leave the range of "
            "float64; divide them by that"
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
