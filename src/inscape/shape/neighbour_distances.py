"""Distances to the nearest neighbours, for estimates of dimension: repeated rows taken out, digits
kept.

Distances of neighbours are computed anew by differences: the expansion ‖x‖² + ‖y‖² − 2⟨x, y⟩ that
finds them loses the digits of near ones. Rows that come more than once have a nearest distance of
zero, which makes estimates 0 or NaN; each is kept once and the number dropped is told.

Cost: n² d to find them, n k d for the distances.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from inscape.core.item_rows import checked_rows
from inscape.core.neighbours import neighbours


class Distances(NamedTuple):
    """Distances to neighbours.

    Attributes:
        radius: to the 1st, 2nd … k-th neighbour, ascending, (n, k).
        dropped: rows that were left out, being equal to others.
    """

    radius: Float64[np.ndarray, "n k"]
    dropped: int


def neighbour_distances(x: Any, k: int, caller: str) -> Distances:
    """Euclidean distances of distinct rows to their k nearest.

    Args:
        x: (n, d).
        k: how many neighbours.
        caller: name of the estimate, for messages.

    Raises:
        ValueError: no more than k distinct rows, or k below 1.
    """
    rows = checked_rows(x, f"{caller}: x", least=2)
    distinct = np.unique(rows, axis=0)
    if k < 1 or len(distinct) <= k:
        raise ValueError(
            f"{caller}: {len(distinct)} distinct rows have no {k} neighbours each; give more rows, "
            "or fewer neighbours"
        )
    near = neighbours(distinct, distinct, k, metric="euclidean", exclude_self=True).index
    radius = np.empty((len(distinct), k))
    for j in range(k):
        radius[:, j] = np.linalg.norm(distinct - distinct[near[:, j]], axis=1)
    return Distances(np.sort(radius, axis=1), len(rows) - len(distinct))
