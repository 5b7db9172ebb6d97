"""Sparsity of activations: how few units are active for an item, how few items a unit is active
for, which are dead.

    active_j   = share of items with |a_ij| > threshold                         dead: never
    Treves–Rolls = (1 − (mean |a|)² / mean a²) / (1 − 1/m)                      0 all alike, 1 a single one active
    Hoyer      = (√m − ‖a‖₁ / ‖a‖₂) / (√m − 1)                                 0 all alike, 1 a single one active

of the m units of an item (population sparsity) or the m items of a unit (lifetime sparsity). Both
take magnitudes, and neither is changed by a factor; a shift changes both, so activations are taken
after the nonlinearity. A unit or item without any activity has no sparsity and is NaN.

Cost: n m.
Reference: Vinje and Gallant (2000), Science 287, and Treves and Rolls (1991), Network 2 (rescaled
to 0 … 1); Hoyer (2004), JMLR 5, §2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from inscape.core.arrays import to_numpy
from inscape.core.item_rows import checked_rows


class Sparsity(NamedTuple):
    """Of units and of items.

    Attributes:
        active: share of items that each unit is active for, (d,).
        dead: share of units that are active for no item.
        population: Treves and Rolls' sparsity of each item over units, (n,).
        lifetime: the same of each unit over items, (d,).
    """

    active: Float64[np.ndarray, " d"]
    dead: float
    population: Float64[np.ndarray, " n"]
    lifetime: Float64[np.ndarray, " d"]


def sparsity(x: Any, *, threshold: float = 0.0) -> Sparsity:
    """Sparsity of activations.

    Args:
        x: activations after the nonlinearity, (n, d), at least 2 of each.
        threshold: what a magnitude must exceed to count as active.

    Raises:
        ValueError: a negative threshold, or a single unit.

    Example:
        >>> found = sparsity(np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]))
        >>> found.active.tolist(), round(found.dead, 3), found.population.tolist()
        ([0.5, 0.5, 0.0], 0.333, [1.0, 1.0])
    """
    rows = np.abs(checked_rows(x, "sparsity: x", least=2))
    if not threshold >= 0 or rows.shape[1] < 2:
        raise ValueError(
            f"sparsity: needs a threshold of at least 0 and two units or more, got {threshold} and "
            f"{rows.shape[1]}"
        )
    active = (rows > threshold).mean(axis=0)
    return Sparsity(active, float((active == 0).mean()), treves_rolls(rows), treves_rolls(rows.T))


def treves_rolls(a: Any) -> Float64[np.ndarray, " n"]:
    """Treves and Rolls' sparsity along the last axis, rescaled to 0 … 1; NaN where all is zero.

    Args:
        a: (n, m), m at least 2; an array or a tensor.

    Raises:
        ValueError: a single number along the last axis.
    """
    rows = _sizes(a, "treves_rolls")
    square = (rows**2).mean(axis=-1)
    even = np.divide(
        rows.mean(axis=-1) ** 2, square, out=np.full(square.shape, np.nan), where=square > 0
    )
    return (1 - even) / (1 - 1 / rows.shape[-1])


def hoyer(a: Any) -> Float64[np.ndarray, " n"]:
    """Hoyer's sparsity along the last axis; NaN where all is zero.

    Args:
        a: (n, m), m at least 2; an array or a tensor.

    Raises:
        ValueError: a single number along the last axis.

    Example:
        >>> hoyer(np.array([[0.0, 3.0], [1.0, 1.0]])).round(12).tolist()
        [1.0, 0.0]
    """
    rows = _sizes(a, "hoyer")
    root = np.sqrt(rows.shape[-1])
    length = np.linalg.norm(rows, axis=-1)
    ratio = np.divide(
        rows.sum(axis=-1), length, out=np.full(length.shape, np.nan), where=length > 0
    )
    return (root - ratio) / (root - 1)


def _sizes(a: Any, caller: str) -> np.ndarray:
    """Magnitudes over the largest of each row: neither measure depends on the scale."""
    rows = np.abs(np.asarray(to_numpy(a), dtype=np.float64))
    if rows.ndim == 0 or rows.shape[-1] < 2:
        raise ValueError(f"{caller}: sparsity is of two numbers or more, got shape {rows.shape}")
    most = rows.max(axis=-1, keepdims=True)
    # as they are where that is safe, to the last digit
    far = (most > 1e100) | ((most > 0) & (most < 1e-100))
    return np.divide(rows, most, out=rows.copy(), where=far & np.isfinite(most))
