"""Distances between the centroids of classes, cross-validated over halves of the groups.

    d²_ab = (μ_a − μ_b)|half 1 · (μ_a − μ_b)|half 2        zero on average where centroids are equal

A squared distance between estimated means is biased upwards by their noise; a product over two
halves that share no group is not.

Cost: n d for each split.
Reference: Walther et al. (2016), NeuroImage 137.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from inscape.compare.dissimilarity import crossnobis


def class_distances(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    *,
    rng: np.random.Generator,
    splits: int = 10,
) -> Float[np.ndarray, "k k"]:
    """Cross-validated squared distances between class centroids, the mean over random halves.

    Args:
        x: rows.
        y: class codes, 0 … k − 1; every class is in every half.
        groups: group codes, 0 … G − 1.
        rng: of the halves.
        splits: how many.

    Raises:
        ValueError: a class that a half does not hold: its rows are in too few groups.
    """
    k, count = int(y.max()) + 1, int(groups.max()) + 1
    out = np.zeros((k, k))
    for _ in range(splits):
        first = (rng.permutation(count) < count // 2)[groups]
        if any(len(np.unique(y[half])) < k for half in (first, ~first)):
            raise ValueError(
                f"class_distances: a random half of the {count} groups lacks one of the {k} classes "
                "0 … k − 1; leave classes of few groups out"
            )
        means = [
            [x[half & (y == c)].mean(axis=0, dtype=np.float64) for c in range(k)]
            for half in (first, ~first)
        ]
        # crossnobis is a mean over features, and this the sum
        out += crossnobis(np.array(means)) * x.shape[1] / splits
    return out
