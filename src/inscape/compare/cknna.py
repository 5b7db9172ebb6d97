"""CKNNA: alignment of kernels among mutual nearest neighbours, between the neighbours' count and
CKA.

    a(X, Y) = Σ_i Σ_j [j ∈ N_x(i)] [j ∈ N_y(i)] x̃_ij ỹ_ij
    x̃_ij = ⟨x_i, x_j⟩ − mean_l ⟨x_i, x_l⟩,  ỹ_ij likewise      N(i): the k nearest of i
    s = a(X, Y) / √(a(X, X) a(Y, Y))                           by cosine

The paper's formula; its published code centres after masking and adds 1e-6 below the line, which
gives other numbers. Means leave item i itself out. For k = n − 1 it is a CKA that is centred by
rows only.

Cost: n² (d + e).
Reference: Huh et al. (2024), arXiv:2405.07987, appendix A.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.mutual_knn import among, nearest
from inscape.compare.pair_table import PairTable, cosine
from inscape.compare.paired_rows import paired_rows
from inscape.core.item_rows import checked_rows, unit_rows


@measures_as(MeasureCard("CKNNA (10-NN)", -1.0, 1.0, frozenset({"neurons", "rotation", "scale"})))
def cknna(x: Any, y: Any, *, k: int = 10, clip: float | None = None) -> float:
    """CKNNA of two representations of the same items.

    Args:
        x: (n, d).
        y: (n, e).
        k: how many neighbours.
        clip: as in `inscape.compare.mutual_knn`.

    Returns:
        1 for equal representations; about k/(n − 1) for unrelated ones.

    Raises:
        ValueError: as `mutual_knn`, or a side on which no item is nearer than any other.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(cknna(x, 2 * x[:, ::-1]), 12)
        1.0
    """
    a, b = paired_rows(x, y, "cknna", least=3)
    return cosine(cknna_table(a, k=k, clip=clip), cknna_table(b, k=k, clip=clip))


def cknna_table(x: Any, *, k: int = 10, clip: float | None = None) -> PairTable:
    """The pair table of CKNNA: row i is the centred kernel at the k nearest of item i, 0
    elsewhere.
    """
    rows = checked_rows(x, "cknna: x", least=3)
    near = nearest(rows, k, clip, "cknna")
    if clip is not None:
        most = float(np.quantile(np.abs(rows), clip))
        rows = np.clip(rows, -most, most)
    unit = unit_rows(rows)
    mean = (unit @ unit.sum(axis=0) - np.einsum("nd,nd->n", unit, unit)) / (len(unit) - 1)

    def tile(part: slice, columns: slice) -> np.ndarray:
        kernel = unit[part] @ unit[columns].T - mean[part, None]
        # unit vectors that are all equal differ from their mean by rounding alone
        known = among(near, part)[:, columns] & (np.abs(kernel) > 1e-13)
        return np.where(known, kernel, 0.0)

    return PairTable(len(unit), tile, f"CKNNA ({k}-NN)", 1)
