"""Many to many: groups of units of two networks together, by spectral clustering of their joint
correlations.

    A = |corr| of the units of both sides, (d + e) × (d + e)       clusters: normalised cuts of A

A cluster that holds units of both networks is a subspace that both have, whatever its axes.

Cost: n (d + e)² and (d + e)³.
Reference: Li et al. (2016), Convergent learning, arXiv:1511.07543, §5; von Luxburg (2007), A
tutorial on spectral clustering, arXiv:0711.0189.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.cluster import SpectralClustering

from inscape.compare.neuron_matching import correlations
from inscape.compare.paired_rows import paired_rows


def joint_clusters(
    x: Any, y: Any, clusters: int, *, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " d"], Int[np.ndarray, " e"]]:
    """Cluster the units of two representations of the same items.

    Args:
        x: (n, d), every unit varies.
        y: (n, e), every unit varies.
        clusters: how many, at most d + e.
        rng: of the start of k-means.

    Returns:
        The cluster of each unit of x and of y.

    Raises:
        ValueError: a unit that does not vary, or more clusters than units.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> two = rng.normal(size=(200, 2)) @ np.eye(2).repeat(3, axis=1)
        >>> x, y = (two + 0.2 * rng.normal(size=(200, 6)) for _ in range(2))
        >>> of_x, of_y = joint_clusters(x, y, 2, rng=rng)
        >>> bool((of_x == of_y).all()), len(set(of_x[:3])), bool(of_x[0] != of_x[3])
        (True, 1, True)
    """
    a, b = paired_rows(x, y, "joint_clusters")
    both = np.concatenate([a, b], axis=1)
    if not (np.ptp(both, axis=0) > 0).all():
        raise ValueError("joint_clusters: a unit does not vary; leave such units out")
    if not 1 <= clusters <= both.shape[1]:
        raise ValueError(
            f"joint_clusters: clusters must be between 1 and {both.shape[1]}, the units, got "
            f"{clusters}"
        )
    affinity = np.abs(correlations(both, both))
    found = SpectralClustering(
        clusters, affinity="precomputed", random_state=int(rng.integers(2**31))
    ).fit_predict(affinity)
    return found[: a.shape[1]], found[a.shape[1] :]


def mixed_share(of_x: Int[np.ndarray, " d"], of_y: Int[np.ndarray, " e"]) -> float:
    """Share of all units that are in a cluster which holds units of both sides.

    Args:
        of_x: the cluster of each unit of x.
        of_y: the cluster of each unit of y.

    Example:
        >>> mixed_share(np.array([0, 0, 1]), np.array([1, 2]))
        0.4
    """
    both = np.intersect1d(of_x, of_y)
    return float(np.isin(np.concatenate([of_x, of_y]), both).mean())
