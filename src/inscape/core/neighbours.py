"""Nearest neighbours by matrix products over blocks of rows; ties go to the row that comes first.

Distances are computed in float64 about the mean of the bank, since an offset common to all rows
costs digits in the expansion of the square.

Cost: n m d for n rows against m, and n m for finding the nearest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from inscape.core.item_rows import unit_rows

#: rows × bank of similarities held at once
_HELD = 2**22


class Neighbours(NamedTuple):
    """The nearest rows of a bank, nearest first.

    Attributes:
        index: which rows, (n, k).
        distance: Euclidean, or one minus the cosine, (n, k).
    """

    index: Int[np.ndarray, "n k"]
    distance: Float[np.ndarray, "n k"]


def neighbours(
    x: Float[np.ndarray, "n d"],
    bank: Float[np.ndarray, "m d"],
    k: int,
    *,
    metric: str = "cosine",
    exclude_self: bool = False,
) -> Neighbours:
    """The k rows of a bank that are nearest to each row.

    Args:
        x: rows.
        bank: rows to be found.
        k: how many.
        metric: ``"cosine"`` or ``"euclidean"``.
        exclude_self: row i of `x` is row i of `bank`, and is not its own neighbour.

    Returns:
        Their indices and distances.

    Raises:
        ValueError: k outside 1 … rows of the bank, or an unknown metric.

    Example:
        >>> neighbours(np.array([[1.0, 0.1]]), np.array([[0.0, 1.0], [2.0, 0.0]]), 1).index.tolist()
        [[1]]
    """
    most = len(bank) - exclude_self
    if not 1 <= k <= most:
        raise ValueError(
            f"neighbours: k must be between 1 and {most}, the rows to choose from, got {k}"
        )
    if metric not in ("euclidean", "cosine"):
        raise ValueError(f"neighbours: metric must be 'cosine' or 'euclidean', got {metric!r}")
    x, bank = np.asarray(x, dtype=np.float64), np.asarray(bank, dtype=np.float64)
    if metric == "cosine":
        x, bank = unit_rows(x), unit_rows(bank)
    else:  # an offset common to all rows costs digits in the expansion of the square
        middle = bank.mean(axis=0)
        x, bank = x - middle, bank - middle
    size = (bank**2).sum(axis=1)
    index, distance = np.empty((len(x), k), dtype=np.int64), np.empty((len(x), k))
    step = max(1, _HELD // len(bank))
    for first in range(0, len(x), step):
        part = slice(first, first + step)
        far = -(x[part] @ bank.T)
        far = (
            1.0 + far
            if metric == "cosine"
            else (x[part] ** 2).sum(axis=1)[:, None] + size + 2 * far
        )
        if exclude_self:
            rows = np.arange(len(far))
            far[rows, rows + first] = np.inf
        near = np.argsort(far, axis=1, kind="stable")[:, :k]
        index[part], distance[part] = near, np.take_along_axis(far, near, axis=1)
    return Neighbours(
        index,
        np.maximum(distance, 0.0) if metric == "cosine" else np.sqrt(np.maximum(distance, 0.0)),
    )
