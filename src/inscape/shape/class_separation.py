"""Generalised discrimination value: are classes apart in a representation, whatever its scale and
width?

    s = ½ (x − mean) / sd                              each feature for itself
    GDV = (1 / √d) [ mean over classes of the mean distance inside − mean over pairs of classes of that between ]

with distances of the rescaled features. −1: classes are points apart; 0: classes say nothing of
where items lie. Distances inside a class are of different items, each pair once.

Features of no variance are left out, and count in d no more. Cost: n² d.
Reference: Schilling et al. (2021), Quantifying the separability of data classes in neural networks,
Neural Networks 139, eq. 1 to 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist, pdist

from inscape.core.folds import group_codes
from inscape.core.item_rows import centred_rows, checked_rows


def discrimination_value(x: Any, labels: Any) -> float:
    """The generalised discrimination value of labelled items.

    Args:
        x: (n, d).
        labels: class of each item, any values; every class with at least two items.

    Returns:
        About −1 (apart) to 0 (mixed); above where classes are wider than what lies between them.

    Raises:
        ValueError: one class, a class of a single item, or rows that are all the same.

    Example:
        >>> apart = np.repeat([[0.0], [9.0]], 3, axis=0)
        >>> round(discrimination_value(apart, [0, 0, 0, 1, 1, 1]), 6)
        -1.0
    """
    rows = centred_rows(checked_rows(x, "discrimination_value: x", least=4))
    codes = group_codes(labels, len(rows))
    sizes = np.bincount(codes)
    if len(sizes) < 2 or sizes.min() < 2:
        raise ValueError(
            f"discrimination_value: {len(sizes)} classes of {sizes.min()} items and more; give two "
            "classes or more, each with two items or more"
        )
    spread = rows.std(axis=0)
    if not (kept := spread > 0).any():
        raise ValueError("discrimination_value: all rows are the same, so nothing is apart")
    scaled = rows[:, kept] / (2 * spread[kept])
    parts = [scaled[codes == c] for c in range(len(sizes))]
    inside = float(np.mean([pdist(part).mean() for part in parts]))
    pairs = [(i, j) for i in range(len(parts)) for j in range(i)]
    between = float(np.mean([cdist(parts[i], parts[j]).mean() for i, j in pairs]))
    return (inside - between) / float(np.sqrt(scaled.shape[1]))
