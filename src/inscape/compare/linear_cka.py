"""Debiased linear CKA: how alike are two representations up to rotation, scale and shift?

    CKA = HSIC₁(K, L) / √(HSIC₁(K, K) HSIC₁(L, L))        K = X Xᵀ,  L = Y Yᵀ,  both without their diagonals
    HSIC₁ = [tr K L + (1ᵀK1)(1ᵀL1)/((n−1)(n−2)) − 2·1ᵀK L 1/(n−2)] / (n(n−3))

Unrelated representations give 0 on average at any n and width, where the usual (biased) form gives
about d/(n + d): 0.5 at n = d (`inscape.compare.cka_biased`). It may therefore be negative. That the
*items* are a sample is corrected; that the neurons may be a sample is not.

Invariant to rotation, isotropic scale and shift of either side; on purpose not to other linear
maps. Cost: n d e from the features, or n² (d + e) from the kernels, whichever is less.
Reference: Song et al. (2012), JMLR 13, eq. 5; Kornblith et al. (2019), arXiv:1905.00414; Murphy,
Zylberberg and Fyshe (2024), arXiv:2405.01012 (the bias); Chun et al. (2025), arXiv:2502.15104 (the
neurons).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.pair_table import PairTable, cosine, without_diagonal
from inscape.compare.paired_rows import paired_rows
from inscape.core.centred import Centred
from inscape.core.item_rows import centred_rows, checked_rows
from inscape.core.joint import Joint, cka_debiased_from_moments

MEASURE = "debiased linear CKA"


@measures_as(
    MeasureCard(
        "debiased linear CKA",
        -1.0,
        1.0,
        frozenset({"neurons", "rotation", "scale", "shift"}),
        unrelated=0.0,
    )
)
def linear_cka(x: Any, y: Any) -> float:
    """Debiased linear CKA of two representations of the same items.

    Args:
        x: (n, d).
        y: (n, e).

    Returns:
        1 for representations equal up to rotation, scale and shift, 0 on average for unrelated
        ones.

    Raises:
        ValueError: fewer than 4 items, other items, or a side whose own HSIC₁ is not positive.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(linear_cka(x, 2 * x[:, ::-1] + 7), 12)
        1.0
    """
    a, b = paired_rows(x, y, "linear_cka")
    a, b = centred_rows(a), centred_rows(b)
    d, e = a.shape[1], b.shape[1]
    if d * d + e * e + d * e > len(a) * (d + e):
        return cosine(linear_table(a), linear_table(b))
    return cka_debiased_from_moments(Centred.of(a), Centred.of(b), Joint.of(a, b))


def linear_table(x: Any) -> PairTable:
    """The pair table of debiased linear CKA: the U-centred linear kernel.

    Args:
        x: (n, d), at least 4 items.
    """
    rows = centred_rows(checked_rows(x, "linear_cka: x", least=4))
    rows /= max(float(np.abs(rows).max()), np.finfo(np.float64).tiny)  # fourth powers stay in range
    n, ones = len(rows), np.ones((len(rows), 1))
    side = (rows @ rows.sum(axis=0) - np.einsum("nd,nd->n", rows, rows))[:, None] / (n - 2)
    # two columns more make the product what `u_centred` makes of the kernel, without another pass
    left = np.hstack([rows, ones, side.sum() / (n - 1) - side])
    right = np.hstack([rows, -side, ones])

    def tile(part: slice, columns: slice) -> np.ndarray:
        if part == columns:  # rows with themselves: half of the product is enough
            own = rows[part]
            out = own @ own.T - side[columns].T
            out += left[part, -1:]
        else:
            out = left[part] @ right[columns].T
        return without_diagonal(out, part, columns)

    return PairTable(n, tile, MEASURE)


def mean_ckas(layers: Sequence[Any], others: Sequence[Sequence[Any]]) -> list[float]:
    """Debiased linear CKA of layers one by one, the mean over them, of one side with each of
    several: a network that sees pictures as they are with itself as it sees them filtered.

    The tables of the one side are made once.

    Args:
        layers: representations of the one side, (n, d) each.
        others: of every other side as many, of the same n items.

    Raises:
        ValueError: a side with another number of layers; and as `linear_cka`.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> [round(value, 12) for value in mean_ckas([x, x**2], [[x, x**2], [-x, 2 * x**2 + 1]])]
        [1.0, 1.0]
    """
    if uneven := [len(side) for side in others if len(side) != len(layers)]:
        raise ValueError(
            f"mean_ckas: {len(layers)} layers on one side and {uneven[0]} on another; give the same"
        )
    tables = [linear_table(h) for h in layers]
    own = [PairTable.dense(t.values(), t.measure) for t in tables]
    return [
        float(np.mean([cosine(t, linear_table(h)) for t, h in zip(own, side, strict=True)]))
        for side in others
    ]
