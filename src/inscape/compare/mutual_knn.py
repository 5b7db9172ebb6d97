"""Mutual nearest neighbours: do two representations put the same items beside an item?

    s = mean over items i of |N_x(i) ∩ N_y(i)| / k            N(i): the k nearest of i by cosine, i itself left out

Unrelated representations give k/(n − 1), so report ``(s − k/(n−1)) / (1 − k/(n−1))``
(`above_chance`), and n and k with it. Over many pairs of layers the largest is taken in the
literature: judge it by the null of the largest (`similarity_map`).

Invariant to rotation and scale; not to shift, since the cosine is not (centre the features first,
or say that they are not).
Cost: n² (d + e), n k numbers held.
Reference: Huh et al. (2024), The Platonic Representation Hypothesis, arXiv:2405.07987, §2 and
appendix A; their features are clipped at the 95 % quantile of all absolute values, ``clip=0.95``
here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.pair_table import PairTable, cosine
from inscape.compare.paired_rows import paired_rows
from inscape.core.item_rows import checked_rows
from inscape.core.neighbours import neighbours


@measures_as(MeasureCard("mutual 10-NN", 0.0, 1.0, frozenset({"neurons", "rotation", "scale"})))
def mutual_knn(x: Any, y: Any, *, k: int = 10, clip: float | None = None) -> float:
    """Share of nearest neighbours in common.

    Args:
        x: (n, d).
        y: (n, e).
        k: how many neighbours.
        clip: quantile of the absolute values at which each side is clipped first; None for none.

    Returns:
        Between 0 and 1; k/(n − 1) on average for unrelated representations.

    Raises:
        ValueError: other items, k outside 1 … n − 1, or a quantile outside (0, 1].

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> mutual_knn(x, 2 * x[:, ::-1])
        1.0
    """
    a, b = paired_rows(x, y, "mutual_knn", least=2)
    return cosine(knn_table(a, k=k, clip=clip), knn_table(b, k=k, clip=clip))


def shared_neighbours(
    x: Any, y: Any, *, k: int = 10, clip: float | None = None
) -> Float64[np.ndarray, " n"]:
    """Share of each item's k nearest that both representations have; `mutual_knn` is their mean.

    Args:
        x: (n, d).
        y: (n, e).
        k: how many neighbours.
        clip: as in `mutual_knn`.

    Raises:
        ValueError: as in `mutual_knn`.

    Example:
        >>> x = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> shared_neighbours(x, x[[0, 1, 3, 2]], k=1).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    a, b = paired_rows(x, y, "shared_neighbours", least=2)
    whole = slice(0, len(a))
    sides = [among(nearest(side, k, clip, "shared_neighbours"), whole) for side in (a, b)]
    return np.logical_and(*sides).sum(axis=1) / k


def above_chance(value: float, n: int, k: int) -> float:
    """A share of neighbours in common on a scale from 0 (chance, k/(n − 1)) to 1.

    Raises:
        ValueError: k outside 1 … n − 2; with all other items as neighbours chance gives 1.

    Example:
        >>> above_chance(0.1, 101, 10), above_chance(1.0, 101, 10)
        (0.0, 1.0)
    """
    if not 1 <= k <= n - 2:
        raise ValueError(f"above_chance: k must be between 1 and {n - 2} for {n} items, got {k}")
    chance = k / (n - 1)
    return (value - chance) / (1 - chance)


def knn_table(x: Any, *, k: int = 10, clip: float | None = None) -> PairTable:
    """The pair table of mutual nearest neighbours: row i is 1 at the k nearest of item i."""
    near = nearest(x, k, clip, "mutual_knn")
    n = len(near)

    def tile(part: slice, columns: slice) -> np.ndarray:
        return among(near, part)[:, columns].astype(np.float64)

    return PairTable(n, tile, f"mutual {k}-NN", 1, float(n * k))


def nearest(x: Any, k: int, clip: float | None, caller: str) -> Int[np.ndarray, "n k"]:
    """The k nearest of each item by cosine, itself left out; ties go to the item that comes first.

    Raises:
        ValueError: as in `mutual_knn`.
    """
    rows = checked_rows(x, f"{caller}: x", least=2)
    if not 1 <= k <= len(rows) - 1:
        raise ValueError(
            f"{caller}: k must be between 1 and {len(rows) - 1}, the other items, got {k}"
        )
    if clip is not None:
        if not 0 < clip <= 1:
            raise ValueError(f"{caller}: clip must be a quantile above 0 and up to 1, got {clip}")
        most = float(np.quantile(np.abs(rows), clip))
        rows = np.clip(rows, -most, most)
    return neighbours(rows, rows, k, metric="cosine", exclude_self=True).index


def among(near: Int[np.ndarray, "n k"], part: slice) -> Bool[np.ndarray, "b n"]:
    """Which items are among the nearest of each of a range of items."""
    out = np.zeros((len(near[part]), len(near)), dtype=bool)
    np.put_along_axis(out, near[part], True, axis=1)
    return out
