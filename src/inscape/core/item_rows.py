"""Rows of items, checked and centred: what every measure of representations does first.

Arrays and tensors of any float kind become float64 with two axes, items and features, finite,
enough rows. Centring leaves nothing where a feature varies by rounding alone, so that no structure
is found in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

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


def unit_rows(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Rows over their lengths; a row of zeros stays zero, and a row that holds NaN becomes NaN,
    never zero.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
        [[0.6, 0.8], [0.0, 0.0]]
    """
    size = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, size, out=np.zeros_like(x), where=~(size <= 0))


def row_numbers(which: Any, n: int, name: str) -> Int64[np.ndarray, " k"]:
    """Positions of rows, from positions or from a mask; positions are not compared with n.

    Args:
        which: whole numbers, or True and False for each row: a list, an array, a tensor.
        n: rows there are.
        name: of the caller, for messages.

    Raises:
        ValueError: neither, or a mask of another length.

    Example:
        >>> row_numbers([False, True, True], 3, "take").tolist(), row_numbers([2, 0], 3, "take").tolist()
        ([1, 2], [2, 0])
    """
    chosen = np.asarray(to_numpy(which))
    if chosen.dtype == object and all(isinstance(w, (bool, np.bool_)) for w in chosen.ravel()):
        chosen = chosen.astype(bool)  # such as pandas' nullable ones
    if chosen.size and (chosen.dtype.kind not in "biu" or chosen.ndim != 1):
        raise ValueError(
            f"{name}: give whole-number positions or a mask of True and False, got {chosen.dtype} of "
            f"shape {chosen.shape}"
        )
    if chosen.dtype == bool:
        if chosen.shape != (n,):
            raise ValueError(f"{name}: a mask must have shape ({n},), got {chosen.shape}")
        return np.flatnonzero(chosen)
    return chosen.astype(np.int64).reshape(-1)


def row_mask(which: Any, n: int, name: str) -> Bool[np.ndarray, " n"]:
    """A mask of rows as True and False. Of 1 and 0 as numbers ``~`` gives −2 and −1, and they would
    be taken for places.

    Args:
        which: True and False, or 1 and 0, for each row: a list, an array, a tensor.
        n: rows there are.
        name: of the caller and its argument, for messages.

    Raises:
        ValueError: other values, or not one for each row.

    Example:
        >>> row_mask([1, 0, 1], 3, "f: train").tolist()
        [True, False, True]
    """
    mask = np.asarray(to_numpy(which))
    if mask.shape != (n,) or not np.isin(mask, (0, 1)).all():
        raise ValueError(
            f"{name} must say True or False of each of {n} rows, got shape {mask.shape}"
        )
    return mask.astype(bool)
