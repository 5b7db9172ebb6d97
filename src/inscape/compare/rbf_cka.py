"""Debiased CKA with a Gaussian kernel: similarity of what lies near what, for a bandwidth that is
named.

    K_ij = exp(−‖x_i − x_j‖² / (2 σ²))        σ = bandwidth × median distance between two items

Small bandwidths compare neighbourhoods; for large ones the kernel is linear in the squared
distances and the measure goes over into linear CKA. HSIC₁ is the unbiased estimator of
`inscape.compare.linear_cka`.

Cost: n² (d + e), in blocks of rows; the median is that of all pairs up to 2,000 items, of a fixed
subset beyond. Reference: Kornblith et al. (2019), arXiv:1905.00414, §3; Alvarez (2021),
arXiv:2112.09305 (large bandwidths).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.pair_table import PairTable, cosine, u_centred
from inscape.compare.paired_rows import paired_rows
from inscape.core.item_rows import centred_rows, checked_rows

#: items whose distances the median is taken of
_MEDIAN = 2000


@measures_as(
    MeasureCard(
        "debiased RBF CKA",
        -1.0,
        1.0,
        frozenset({"neurons", "rotation", "scale", "shift"}),
        unrelated=0.0,
    )
)
def rbf_cka(x: Any, y: Any, *, bandwidth: float = 0.5) -> float:
    """Debiased CKA with Gaussian kernels.

    Args:
        x: (n, d).
        y: (n, e).
        bandwidth: σ as a fraction of the median distance of each side.

    Raises:
        ValueError: fewer than 4 items, other items, a bandwidth that is not positive, or a side
            without distances.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(rbf_cka(x, 2 * x[:, ::-1] + 7), 12)
        1.0
    """
    a, b = paired_rows(x, y, "rbf_cka")
    return cosine(rbf_table(a, bandwidth=bandwidth), rbf_table(b, bandwidth=bandwidth))


def rbf_table(x: Any, *, bandwidth: float = 0.5) -> PairTable:
    """The pair table of debiased RBF CKA: the U-centred Gaussian kernel."""
    rows = checked_rows(x, "rbf_cka: x", least=4)
    if not bandwidth > 0:
        raise ValueError(f"rbf_cka: bandwidth must be positive, got {bandwidth}")
    rows = centred_rows(rows)
    median = float(np.median(pdist(rows[:: max(1, -(-len(rows) // _MEDIAN))])))
    if not median > 0:
        raise ValueError(
            "rbf_cka: half of the items or more are equal, so the median distance is 0 and no "
            "bandwidth follows from it; leave out repeated items"
        )
    size = np.einsum("nd,nd->n", rows, rows)
    scale = -0.5 / (bandwidth * median) ** 2

    def kernel(part: slice, columns: slice) -> np.ndarray:
        square = size[part, None] + size[columns] - 2 * (rows[part] @ rows[columns].T)
        return np.exp(scale * np.maximum(square, 0.0))

    blank = PairTable(len(rows), kernel, "")
    sums = np.concatenate([blank.rows(part).sum(axis=1) for part in blank.blocks()]) - 1.0
    measure = f"debiased RBF CKA (bandwidth {bandwidth:g} × median)"
    return PairTable(len(rows), u_centred(kernel, len(rows), sums), measure)
