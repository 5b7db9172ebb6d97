"""LiDAR: of how many directions does a representation make use to tell items apart, beyond what
varies between their views?

    Σ_b = Σ_g (μ_g − μ)(μ_g − μ)ᵀ / (n − 1)          Σ_w = Σ_gi (x_gi − μ_g)(x_gi − μ_g)ᵀ / (n (q − 1)) + δ I
    LiDAR = exp H(λ / Σ λ + ε),   λ: eigenvalues of Σ_w^(−½) Σ_b Σ_w^(−½)

n items with q views each (augmentations, frames, prompts), named by explicit groups. Capped by
min(d, n − 1) and grows with n (40, 76, 193, 223 of the same data at n = 50, 100, 500, 1,000): fix n
and q.

Cost: n q d² and d³.
Reference: Thilak et al. (2024), LiDAR, arXiv:2312.04000, §3; δ = 1e-4, ε = 1e-7 as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from inscape.core.folds import group_codes
from inscape.core.item_rows import checked_rows


def lidar(
    x: Any, groups: Sequence[Any] | np.ndarray, *, delta: float = 1e-4, epsilon: float = 1e-7
) -> float:
    """LiDAR of the views of items.

    Args:
        x: views, (n q, d).
        groups: the item of each view; every item with as many views, at least 2.
        delta: added to the variances within items.
        epsilon: added to every share of the spectrum.

    Returns:
        About 1 to min(d, n − 1).

    Raises:
        ValueError: items with unequal numbers of views or a single one, fewer than 2 items, items
            that do not differ.
    """
    rows = checked_rows(x, "lidar: x", least=4)
    codes = group_codes(groups, len(rows))
    sizes = np.bincount(codes)
    n, q = len(sizes), int(sizes[0])
    if (sizes != q).any() or q < 2 or n < 2:
        raise ValueError(
            f"lidar: {n} items have {sizes.min()} to {sizes.max()} views; give at least two items, "
            "each with as many views, at least two"
        )
    rows = rows - rows.mean(axis=0)
    means = np.zeros((n, rows.shape[1]))
    np.add.at(means, codes, rows)
    means /= q
    within = rows - means[codes]
    spread = within.T @ within / (n * (q - 1))
    w, v = np.linalg.eigh(spread)
    white = means @ (v / np.sqrt(np.maximum(w, 0.0) + delta))
    found = np.linalg.svd(white, compute_uv=False)[: min(n - 1, rows.shape[1])] ** 2 / (n - 1)
    if not found[0] > 0:
        raise ValueError("lidar: the items' means are all the same, so nothing tells them apart")
    shares = found / found.sum() + epsilon
    return float(np.exp(-(shares * np.log(shares)).sum()))
