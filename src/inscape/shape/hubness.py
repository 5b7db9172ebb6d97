"""Hubness: are some items the near neighbours of very many others, and some of none?

    N_k(i) = how many items have i among their k nearest          mean k whatever the representation
    skewness  = mean (N_k − k)³ / sd(N_k)³                       0 where all are found alike, large with hubs
    Robin Hood = Σ |N_k(i) − k| / (2 n k)                        share of places to hand over until all have k
    orphans   = share of items with N_k = 0

Distances concentrate in many dimensions, and items near the mean become hubs: skewness grows with
the *intrinsic* dimension, of noise too, so that a comparison needs as many items and the same k.

Cost: n² d to find the neighbours.
Reference: Radovanović, Nanopoulos and Ivanović (2010), JMLR 11, eq. 1; Feldbauer et al. (2018),
Fast approximate hubness reduction, ICBK (Robin Hood index, antihubs).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.core.item_rows import checked_rows
from inscape.core.neighbours import neighbours


class Hubness(NamedTuple):
    """How unequally items are found.

    Attributes:
        counts: N_k of each item, (n,).
        skewness: of the counts; 0 where all are equal.
        robin_hood: 0 (all alike) to below 1.
        orphans: share of items that are nobody's neighbour.
        largest: the most that one item is found, as a share of the others.
    """

    counts: Int[np.ndarray, " n"]
    skewness: float
    robin_hood: float
    orphans: float
    largest: float


def hubness(x: Any, *, k: int = 10, metric: str = "cosine") -> Hubness:
    """How unequally often items are among the k nearest of others; an item is not its own
    neighbour.

    Args:
        x: (n, d).
        k: neighbours of each item.
        metric: ``"cosine"`` or ``"euclidean"``.

    Raises:
        ValueError: no more than k rows, an unknown metric, rows that are all the same, or a row of
            zeros by cosine.

    Example:
        >>> star = np.array([[0.0, 0.1], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.2]])
        >>> hubness(star, k=1, metric="euclidean").counts.tolist()
        [3, 1, 0, 0]
    """
    rows = checked_rows(x, "hubness: x", least=2)
    if (rows == rows[0]).all():
        raise ValueError("hubness: all rows are the same, so none is nearer than another")
    if metric == "cosine" and not rows.any(axis=1).all():
        raise ValueError(
            "hubness: a row is zero and has no direction; leave it out, or take metric='euclidean'"
        )
    near = neighbours(rows, rows, k, metric=metric, exclude_self=True).index
    counts = np.bincount(near.reshape(-1), minlength=len(rows))
    spread = float(counts.std())
    skewness = float(((counts - k) ** 3).mean()) / spread**3 if spread else 0.0
    robin_hood = float(np.abs(counts - k).sum()) / (2 * len(rows) * k)
    largest = float(counts.max()) / (len(rows) - 1)
    return Hubness(counts, skewness, robin_hood, float((counts == 0).mean()), largest)
