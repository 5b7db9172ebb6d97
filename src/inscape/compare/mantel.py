"""Mantel's test: do two dissimilarity matrices of the same items agree more than items allow that
are not paired?

    r = correlation of the entries above the diagonal;   null: rows and columns of one side in a random order, together
    p = (1 + #{null ≥ r}) / (draws + 1)

Entries that share an item are dependent, so items are permuted and not entries. With
`inscape.compare.similarity_map` the null is cheaper and its p no smaller than one over the items;
here p may be as small as the draws allow.

Cost: n² a draw.
Reference: Mantel (1967), Cancer Research 27.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64
from scipy.stats import rankdata

from inscape.core.nulls import p_value
from inscape.core.pair_matrices import checked_pairs


class Mantel(NamedTuple):
    """What the test gives.

    Attributes:
        r: the correlation.
        p: one-sided.
        null: the correlation in each draw.
    """

    r: float
    p: float
    null: Float64[np.ndarray, " draws"]


def mantel(
    first: Float[np.ndarray, "_ _"],
    second: Float[np.ndarray, "_ _"],
    *,
    ranks: bool = True,
    draws: int = 999,
    rng: np.random.Generator,
) -> Mantel:
    """Test two symmetric matrices of the same items; diagonals are not looked at.

    Args:
        first: dissimilarities.
        second: dissimilarities of the same items.
        ranks: correlate ranks (Spearman) in place of values.
        draws: of the null.
        rng: of the permutations.

    Raises:
        ValueError: matrices of other items or fewer than four, that are not symmetric or not
            finite, or a side whose entries are all equal.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(20, 1))
        >>> found = mantel(abs(x - x.T), abs(x - x.T) ** 2, draws=99, rng=np.random.default_rng(0))
        >>> round(found.r, 9), found.p
        (1.0, 0.01)
    """
    n = len(first)
    if np.shape(first) != (n, n) or np.shape(second) != (n, n) or n < 4:
        raise ValueError(
            f"mantel: matrices have shapes {np.shape(first)} and {np.shape(second)}; give square "
            "ones of the same items, at least four"
        )
    at = np.triu_indices(n, 1)
    sides = []
    for side in (first, second):
        entries = checked_pairs(side, "mantel: a matrix", least=4)[at]
        entries = rankdata(entries) if ranks else entries
        if np.ptp(entries) == 0:
            raise ValueError("mantel: the entries of a side are all equal, so it ranks no pairs")
        entries = (entries - entries.mean()) / entries.std()
        full = np.zeros((n, n))
        full[at] = entries
        sides.append(full + full.T)
    a, b = sides

    def r(order: np.ndarray) -> float:
        return float((a * b[np.ix_(order, order)]).sum() / (n * (n - 1)))

    value = r(np.arange(n))
    null = np.array([r(rng.permutation(n)) for _ in range(draws)])
    return Mantel(value, float(p_value(value, null)), null)
