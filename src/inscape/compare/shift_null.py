"""The permutation null of every pair of sites at once, at about the cost of one evaluation.

Permuting the items of Y permutes rows and columns of its pair table, so a draw is s_k = Σ_ij A_ij
B_π(i)π(j). With the shifts of `inscape.compare.shifts`, items (a, u), and A^δ_a;uv =
A_(a,u),(a+δ,v),

    s_k = Σ_δuv Σ_a A^δ_a;uv B^δ_(a+k);uv = F⁻¹_k [ Σ_δuv conj(F A^δ_uv) F B^δ_uv ]

a Fourier transform along the blocks and, for each frequency, one matrix product over all pairs of
sites. Of symmetric tables half of the offsets δ are enough. No measure is run again, and the same
shifts serve every pair, so the null of the *maximum over pairs* of layers is there as well.

Cost: for S and T sites, n² (S + T) log K and 4 n² S T; 4 n² bytes for each site held.
Reference: Westfall and Young (1993), Resampling-based multiple testing, §2.3 (the maximum).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from inscape.compare.pair_table import PairTable, lengths, same
from inscape.compare.shifts import Shifts

#: bytes of transformed tables held at once
HELD = 2**30

# legend: k shifts (= blocks), m items of a block, f frequencies, q entries (δ, u, v) of a block
# row, s and t sites


def shift_null(
    first: Sequence[PairTable],
    second: Sequence[PairTable],
    shifts: Shifts,
    *,
    held: int = HELD,
) -> Float64[np.ndarray, "k s t"]:
    """Similarities under every shift; entry 0 is the observed one, on the items that the shifts
    move.

    Args:
        first: tables of the sites of one representation.
        second: tables of the other's.
        shifts: the permutations.
        held: bytes of transformed tables to hold.

    Returns:
        Cosines of the tables, (shifts, first, second).

    Raises:
        ValueError: tables of different items or measures, or one that holds nothing.
    """
    for table in (*first, *second):
        same(first[0], table)
    symmetric, m = first[0].per_item == 2, shifts.order.shape[1]
    half = len(shifts) // 2 + 1
    each = 16 * half * (half if symmetric else len(shifts)) * m * m
    at_once = max(1, int(held // (2 * each)))
    out = np.empty((len(shifts), len(first), len(second)))
    for a in range(0, len(first), at_once):
        left, below = _transformed(first[a : a + at_once], shifts, symmetric)
        for b in range(0, len(second), at_once):
            right, beside = _transformed(second[b : b + at_once], shifts, symmetric)
            product = left.conj() @ right.transpose(0, 2, 1)
            draws = np.fft.irfft(product, n=len(shifts), axis=0)
            out[:, a : a + at_once, b : b + at_once] = draws / np.outer(below, beside)
    return out


def _transformed(
    tables: Sequence[PairTable], shifts: Shifts, symmetric: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Transforms (f, s, q), weighted so that a product over q is over all offsets, and each table's
    length (s,).
    """
    k, m = shifts.order.shape
    offsets = np.arange(k // 2 + 1 if symmetric else k)
    # the offset δ of a symmetric table stands for −δ as well
    twice = symmetric & (offsets > 0) & (2 * offsets != k)
    weight = np.where(twice, np.sqrt(2.0), 1.0)[:, None, None]
    flat, block = shifts.order.ravel(), np.arange(k)[:, None]
    out = np.empty((k // 2 + 1, len(tables), len(offsets) * m * m), dtype=np.complex128)
    norms = np.empty(len(tables))
    for i, table in enumerate(tables):
        whole = table.values()[np.ix_(flat, flat)]
        square = float(np.vdot(whole, whole))
        share = 1.0 if table.own is None else (len(flat) / table.n) ** table.per_item
        norms[i] = np.sqrt(lengths(table, square) * share)
        parts = whole.reshape(k, m, k, m)[block, :, (block + offsets) % k]  # (k, offsets, m, m)
        out[:, i] = np.fft.rfft((parts * weight).reshape(k, -1), axis=0)
    return out, norms
