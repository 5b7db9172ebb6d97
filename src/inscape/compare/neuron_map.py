"""How alike are neurons, each with its best partner? Maps over all pairs of sites, with intervals.

    s(X, Y) = mean over neurons i of X of  max over neurons j of Y of  |corr(x_i, y_j)|

Several neurons may share a partner, so a wide Y is favoured, and the measure is not symmetric. A
rotation of one side, which linear CKA does not see, takes partners away. The best of e partners
correlates by chance: about √(2 ln e / n) for n independent items.

Interval: the jackknife over items or groups, from sums without each group.
Cost: S T (n d e + G d e) for G groups.
Reference: Bau et al. (2019), arXiv:1811.01157 (MaxCorr); Wu et al. (2020), arXiv:2005.01172
(neuronsim).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inscape.compare.similarity_map import SimilarityMap
from inscape.core.folds import group_codes
from inscape.core.item_rows import centred_rows, checked_rows

MEASURE = "correlation with the best neuron"


def neuron_map(
    first: Sequence[Any], second: Sequence[Any] | None = None, *, groups: Any = None
) -> SimilarityMap:
    """Mean correlation with the best neuron, of all pairs of representations.

    Args:
        first: (n, d) of each site of one network: whose neurons look for partners.
        second: (n, e) of each site of the other; None compares the first with themselves.
        groups: what varies in the intervals, one group per item; None for the items themselves.

    Returns:
        The map, (S, T); a neuron that does not vary correlates with none.

    Raises:
        ValueError: no sites, or sites of other items.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> neuron_map([x], [-x[:, ::-1]]).values.round(9).tolist()
        [[1.0]]
    """
    every = [*first, *(first if second is None else second)]
    if not first or len(every) == len(first):
        raise ValueError("neuron_map: there are no sites; give at least one on each side")
    every = [centred_rows(checked_rows(x, "neuron_map", least=3)) for x in every]
    n = len(every[0])
    if any(len(x) != n for x in every):
        raise ValueError(
            f"neuron_map: sites must hold the same items, got {sorted({len(x) for x in every})}"
        )
    codes = np.arange(n) if groups is None else group_codes(groups, n)
    order, size = np.argsort(codes, kind="stable"), np.bincount(codes)
    parts = np.split(order, np.cumsum(size)[:-1])
    left = [_Left.of(x, parts) for x in every]
    s, t = left[: len(first)], left[len(first) :]
    values = np.empty((len(s), len(t), len(size) + 1))
    for i, a in enumerate(s):
        for j, b in enumerate(t):
            values[i, j] = a.best(b)
    whole = values[..., 0]
    none = np.empty((0, *whole.shape))
    return SimilarityMap(MEASURE, whole, values[..., 1:], n, size.astype(float), none, whole, "")


class _Left:
    """One side's rows and sums: of all rows, then of those without each group."""

    def __init__(self, parts: list[np.ndarray], n: np.ndarray, total: np.ndarray, s: np.ndarray):
        self.parts, self.n, self.total, self.size = parts, n, total, s

    @classmethod
    def of(cls, x: np.ndarray, parts: list[np.ndarray]) -> _Left:
        rows = [x[p] for p in parts]
        n = len(x) - np.array([0, *map(len, parts)])[:, None]
        total = x.sum(axis=0) - np.array([0 * x[0], *(r.sum(axis=0) for r in rows)])
        square = (x**2).sum(axis=0) - np.array([0 * x[0], *((r**2).sum(axis=0) for r in rows)])
        spread = square - total**2 / np.maximum(n, 1)
        # what rounding leaves of a neuron that does not vary is nothing
        spread = np.where(spread > 1e-12 * np.maximum(square[:1], 1e-300), spread, 0.0)
        return cls(rows, n[:, 0], total, np.sqrt(spread))

    def best(self, other: _Left) -> np.ndarray:
        """The measure on all rows, and without each group."""
        inner = [a.T @ b for a, b in zip(self.parts, other.parts, strict=True)]
        whole, out = np.sum(inner, axis=0), []
        for g, n in enumerate(self.n):
            cross = whole - (inner[g - 1] if g else 0.0)
            cross = cross - np.outer(self.total[g], other.total[g]) / max(n, 1)
            below = np.outer(self.size[g], other.size[g])
            corr = np.divide(cross, below, out=np.zeros_like(cross), where=below > 0)
            out.append(np.abs(corr).max(axis=1).mean())
        return np.array(out)
