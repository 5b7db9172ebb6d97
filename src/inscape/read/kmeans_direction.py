"""K-means direction: from one of two centroids to the other.

    d = c₁ − c₀        c the centroids of k-means with k = 2

Labels only name its ends. Like PCA it finds whatever parts the rows best, so centre them within
what must not be found. Cost restarts · iterations · n d.

Reference: Tigges et al. (2023), arXiv:2310.15154, §2.3.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float
from sklearn.cluster import KMeans

from inscape.read.named_ends import NamedEnds


class KMeansDirection(NamedEnds):
    """Difference of two k-means centroids, as a direction and a classifier; see `NamedEnds` for
    what it learns.

    Args:
        restarts: how many initial draws; the one with the least inertia is taken.
        random_state: of the initial draws.

    Example:
        >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
        >>> (KMeansDirection().fit(x, [0, 0, 1, 1]).direction_ + 0.0).tolist()
        [1.0, 0.0]
    """

    # scikit-learn's contract: a constructor stores whatever it is given, and `fit` checks
    @no_type_check
    def __init__(self, *, restarts: int = 10, random_state: Any = 0) -> None:
        self.restarts = restarts
        self.random_state = random_state

    def _line(self, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
        if not (x != x[0]).any():
            return np.zeros(x.shape[1])
        # the mean of the rows may dwarf their differences; centroids' difference does not change
        # with it
        found = KMeans(2, n_init=self.restarts, random_state=self.random_state).fit(
            x - x.mean(axis=0)
        )
        return found.cluster_centers_[1] - found.cluster_centers_[0]
