"""CKA from minibatches: debiased CKA of kernels that do not fit, as a ratio of sums of HSIC₁ over
disjoint batches.

    CKA = Σ_b HSIC₁(K_b, L_b) / √(Σ_b HSIC₁(K_b, K_b) Σ_b HSIC₁(L_b, L_b))

The terms are summed first and divided once; the mean of each batch's own ratio is biased (0.954
instead of 0.809 was measured at batches of 16 with the biased form). Only non-linear kernels need
it: for the linear one `StreamedCKA` is exact.

Cost: a batch's n b (d + e), in one pass; three numbers are held.
Reference: Nguyen, Raghu and Kornblith (2021), Do wide and deep networks learn the same things?,
arXiv:2010.15327, §3.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from inscape.compare.linear_cka import linear_table
from inscape.compare.pair_table import PairTable
from inscape.compare.paired_rows import paired_rows


def minibatch_cka(
    x: Any,
    y: Any,
    *,
    batch: int = 256,
    table: Callable[[Any], PairTable] = linear_table,
    rng: np.random.Generator,
) -> float:
    """Debiased CKA over random disjoint batches.

    Args:
        x: (n, d).
        y: (n, e).
        batch: items of a batch, at least 4; a last batch below 4 items is left out.
        table: makes a side's pair table, such as `inscape.compare.rbf_table`.
        rng: which items come together.

    Raises:
        ValueError: a batch below 4 items, other items, or a side that tells no items apart.
    """
    a, b = paired_rows(x, y, "minibatch_cka")
    if batch < 4:
        raise ValueError(f"minibatch_cka: batch must be at least 4 items, got {batch}")
    order = rng.permutation(len(a))
    sums = np.zeros(3)
    for start in range(0, len(a), batch):
        rows = order[start : start + batch]
        m = len(rows)
        if m >= 4:
            one, two = table(a[rows]).values(), table(b[rows]).values()
            terms = np.array([np.vdot(one, two), np.vdot(one, one), np.vdot(two, two)])
            sums += terms / (m * (m - 3))
    if not sums[1:].min() > 0:
        raise ValueError("minibatch_cka: one side tells no items apart; leave that site out")
    return float(sums[0] / np.sqrt(sums[1] * sums[2]))
