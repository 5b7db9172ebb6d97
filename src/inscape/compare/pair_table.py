"""Pair tables: what a representation says of every pair of items, and similarities as cosines of
such tables.

    s(X, Y) = Σ_ij A_ij B_ij / √(Σ A² Σ B²)            A, B: one n × n table for each representation

Debiased and RBF CKA (centred kernels), representational similarity analysis (dissimilarities, their
ranks), mutual nearest neighbours (who is among whose k nearest) and CKNNA are all of this form. So
maps over layers, jackknife intervals (`inscape.compare.similarity_map`) and permutation nulls
(`inscape.compare.shift_null`) are written once, for all.

A table is made in tiles, on demand: none of n × n numbers need be held, and of a symmetric table
half is enough.

Reference: Székely and Rizzo (2014), Partial distance correlation, Ann. Statist. 42, §3, for
U-centring.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

#: gives a tile of a table: a range of rows and one of columns, (b, c)
Tile = Callable[[slice, slice], np.ndarray]

#: numbers of a block that is worked on at once: 256 MB
BLOCK = 2**25


@dataclass(frozen=True, eq=False)
class PairTable:
    """One representation's table.

    Attributes:
        n: items.
        tile: gives any range of rows and of columns, (b, c) float64; the diagonal is zero.
        measure: the similarity that the cosine of two such tables is (``"debiased linear CKA"``).
        per_item: how often an item counts in a table: 2 where it is both a row and a column of
            pairs, so that the table is symmetric; 1 where a row is one item's own affair (its
            neighbours).
        own: what stands for Σ A² in the denominator, where it is not that.
    """

    n: int
    tile: Tile
    measure: str
    per_item: int = 2
    own: float | None = None

    @classmethod
    def dense(
        cls,
        values: Float[np.ndarray, "n n"],
        measure: str,
        per_item: int = 2,
        own: float | None = None,
    ) -> PairTable:
        """A table that is held in memory."""
        return cls(len(values), lambda part, columns: values[part, columns], measure, per_item, own)

    def values(self) -> Float64[np.ndarray, "n n"]:
        """The whole table."""
        return np.asarray(self.rows(slice(0, self.n)), dtype=np.float64)

    def rows(self, part: slice) -> Float64[np.ndarray, "b n"]:
        """A range of whole rows."""
        return self.tile(part, slice(0, self.n))

    def blocks(self, beside: int = 1) -> list[slice]:
        """Ranges of rows of a size that fits, where as many tables are worked on beside each
        other.
        """
        step = max(1, BLOCK // max(1, self.n * beside))
        return [slice(a, min(a + step, self.n)) for a in range(0, self.n, step)]


def u_centred(kernel: Tile, n: int, sums: Float[np.ndarray, " n"]) -> Tile:
    """A kernel table U-centred: the cosine of two such tables is a debiased CKA.

        Â_ij = K_ij − s_i/(n−2) − s_j/(n−2) + Σs/((n−1)(n−2)),   Â_ii = 0,        Σ_ij Â_ij B̂_ij / (n(n−3)) = HSIC₁

    Args:
        kernel: gives tiles of K; its diagonal is not looked at.
        n: items, at least 4.
        sums: s, row sums of K without its diagonal, (n,).
    """
    side = sums / (n - 2)
    middle = float(sums.sum()) / ((n - 1) * (n - 2))

    def tile(part: slice, columns: slice) -> np.ndarray:
        out = kernel(part, columns) - side[columns]
        out -= (side[part] - middle)[:, None]
        return without_diagonal(out, part, columns)

    return tile


def without_diagonal(values: np.ndarray, part: slice, columns: slice) -> np.ndarray:
    """A tile with zeros where row and column are the same item; it is changed."""
    both = np.arange(max(part.start, columns.start), min(part.stop, columns.stop))
    values[both - part.start, both - columns.start] = 0.0
    return values


def cosine(a: PairTable, b: PairTable) -> float:
    """The similarity of two tables.

    Raises:
        ValueError: tables of other items or of another measure, or one that holds nothing
            (`lengths` says why).

    Example:
        >>> a = PairTable.dense(np.array([[0.0, 1.0], [3.0, 0.0]]), "toy")
        >>> round(cosine(a, a), 12)
        1.0
    """
    same(a, b)
    inner, squares = 0.0, np.zeros(2)
    for part in a.blocks(2):
        one, two = a.rows(part), b.rows(part)
        inner += float(np.vdot(one, two))
        squares += np.vdot(one, one), np.vdot(two, two)
    below = [lengths(t, s) for t, s in zip((a, b), squares, strict=True)]
    return inner / float(np.sqrt(below[0] * below[1]))


def same(a: PairTable, b: PairTable) -> None:
    """Refuse tables that cannot be compared."""
    if a.n != b.n:
        raise ValueError(f"{a.measure}: tables of {a.n} and of {b.n} items; give the same items")
    if a.measure != b.measure:
        raise ValueError(f"a table of {a.measure} cannot be compared with one of {b.measure}")


def lengths(table: PairTable, square: float) -> float:
    """What stands under the root for a table whose squares sum to `square`.

    Raises:
        ValueError: the table holds nothing but rounding.
    """
    if not square > 0:
        raise ValueError(
            f"{table.measure}: one representation tells none of the {table.n} items apart (its "
            "table is constant), so no similarity is defined; leave that site out"
        )
    return square if table.own is None else table.own
