"""Jaccard similarity of neighbourhoods: shared neighbours over all neighbours of an item.

    s = mean over items of |N_x(i) ∩ N_y(i)| / |N_x(i) ∪ N_y(i)|

What `inscape.compare.mutual_knn` measures, on another scale: an item that shares m of k neighbours
counts m/(2k − m). Chance is about k/(2(n − 1)); the exact expectation is hypergeometric
(`jaccard_chance`).

Cost: n² (d + e).
Reference: Hryniowski and Wong (2020), Inter-layer information similarity assessment,
arXiv:2012.03793; Klabunde et al. (2025), Similarity of neural network models: a survey,
arXiv:2305.06329, §3.4.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import hypergeom

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.mutual_knn import among, nearest
from inscape.compare.paired_rows import paired_rows


@measures_as(MeasureCard("Jaccard of 10-NN", 0.0, 1.0, frozenset({"neurons", "rotation", "scale"})))
def jaccard(x: Any, y: Any, *, k: int = 10, clip: float | None = None) -> float:
    """Mean Jaccard similarity of the k nearest neighbours by cosine.

    Args:
        x: (n, d).
        y: (n, e).
        k: how many neighbours.
        clip: as in `inscape.compare.mutual_knn`.

    Returns:
        Between 0 and 1; `jaccard_chance` on average for unrelated representations.

    Raises:
        ValueError: as `mutual_knn`.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> jaccard(x, 2 * x[:, ::-1])
        1.0
    """
    a, b = paired_rows(x, y, "jaccard", least=2)
    whole = slice(0, len(a))
    one, two = (among(nearest(side, k, clip, "jaccard"), whole) for side in (a, b))
    both = (one & two).sum(axis=1)
    return float(np.mean(both / (2 * k - both)))


def jaccard_chance(n: int, k: int) -> float:
    """The expected value for unrelated representations of n items.

    Raises:
        ValueError: k outside 1 … n − 1.

    Example:
        >>> round(jaccard_chance(1024, 10), 4)
        0.0052
    """
    if not 1 <= k <= n - 1:
        raise ValueError(
            f"jaccard_chance: k must be between 1 and {n - 1}, the other items, got {k}"
        )
    both = np.arange(k + 1)
    return float(hypergeom.pmf(both, n - 1, k, k) @ (both / (2 * k - both)))
