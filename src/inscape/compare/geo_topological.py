"""Geo-topological dissimilarities: between geometry, where every distance counts, and topology,
where only neighbourhood does.

    t(d) = 0 for d ≤ q_l,  1 for d ≥ q_u,  (d − q_l) / (q_u − q_l) between       q: quantiles of the ranked dissimilarities

With l = 0 and u = 1 it is the ranks themselves (representational similarity analysis of ranks);
with l = u a graph: near or not. Small distances are mostly noise, and large ones differ between
individuals; what lies between is kept.

`geodesic` replaces each dissimilarity by the shortest path over pairs that are near, so that a bent
manifold and a flat one agree.

Cost: n² log n; geodesics n³ at worst.
Reference: Lin and Kriegeskorte (2024), The topology and geometry of neural representations, PNAS
121, arXiv:2309.11028.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from scipy.sparse.csgraph import csgraph_from_dense, shortest_path
from scipy.stats import rankdata

from inscape.core.pair_matrices import checked_pairs


def geo_topological(
    matrix: Float[np.ndarray, "n n"], low: float | int, high: float | int
) -> Float64[np.ndarray, "n n"]:
    """Dissimilarities with the small ones set to 0 and the large ones to 1.

    Args:
        matrix: symmetric dissimilarities; the diagonal is not looked at.
        low: quantile l up to which pairs count as the same.
        high: quantile u from which they count as apart; at least `low`.

    Returns:
        Between 0 and 1; the diagonal is 0.

    Raises:
        ValueError: quantiles that do not rise within 0 and 1, or that leave all pairs alike; a
            matrix that is not symmetric or not finite, or whose entries are all equal.

    Example:
        >>> d = np.array([[0.0, 1, 5], [1, 0, 3], [5, 3, 0]])
        >>> geo_topological(d, 0, 1)[0].tolist(), geo_topological(d, 0.4, 0.4)[0].tolist()
        ([0.0, 0.0, 1.0], [0.0, 0.0, 1.0])
    """
    if not 0 <= low <= high <= 1 or low == high in (0, 1):
        raise ValueError(
            "geo_topological: quantiles must rise within 0 and 1 and leave some pairs on either "
            f"side, got {low} and {high}"
        )
    values = checked_pairs(matrix, "geo_topological: matrix")
    at = np.triu_indices(len(values), 1)
    ranks = rankdata(values[at])
    if not np.ptp(ranks) > 0 and len(ranks) > 1:
        raise ValueError("geo_topological: all pairs are equally far, so none is near or far")
    ranks = (ranks - ranks.min()) / max(float(np.ptp(ranks)), 1e-300)
    below, above = np.quantile(ranks, [low, high])
    if above > below:
        kept = np.clip((ranks - below) / (above - below), 0.0, 1.0)
    else:
        kept = (ranks > below).astype(np.float64)
    out = np.zeros_like(values)
    out[at] = kept
    return out + out.T


def geodesic(matrix: Float[np.ndarray, "n n"], near: float | int) -> Float64[np.ndarray, "n n"]:
    """Shortest paths over pairs up to a quantile of the dissimilarities.

    Args:
        matrix: symmetric dissimilarities, not negative.
        near: quantile up to which two items are joined.

    Returns:
        Lengths of paths; twice the longest for items that no path joins. Items at a dissimilarity
        of 0 stay there.

    Raises:
        ValueError: a quantile outside (0, 1]; a matrix that is negative, not symmetric or not
            finite.

    Example:
        >>> d = np.array([[0.0, 1, 3], [1, 0, 1], [3, 1, 0]])
        >>> geodesic(d, 0.5)[0].tolist()
        [0.0, 1.0, 2.0]
    """
    if not 0 < near <= 1:
        raise ValueError(f"geodesic: near must be a quantile above 0 and up to 1, got {near}")
    values = checked_pairs(matrix, "geodesic: matrix").copy()
    np.fill_diagonal(values, 0.0)
    if values.min() < 0:
        raise ValueError("geodesic: dissimilarities are 0 or more, and one is negative")
    most = np.quantile(values[np.triu_indices(len(values), 1)], near)
    joined = csgraph_from_dense(np.where(values <= most, values, np.inf), null_value=np.inf)
    paths = shortest_path(joined, directed=False)
    finite = np.isfinite(paths)
    return np.where(finite, paths, 2 * paths[finite].max())
