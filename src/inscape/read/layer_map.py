"""States of all layers and kinds laid out by depth, each reduced to its principal components.

    z_l,p = (x_l,p − μ) V Λ^{−1/2}

with mean μ, leading eigenvectors V and eigenvalues Λ of the training rows of layer l and kind p.
What convolutions over layers read (`inscape.read.layer_cnn`): every state has the same width and
unit variance in each component.

Cost: one eigendecomposition of d × d for every state.
Reference: Beigi et al. (2024), arXiv:2406.12053, §3 (the map of internal states).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float32, Int

from inscape.core.site import Site


def layer_map(
    matrices: Iterable[tuple[Site, np.ndarray]],
    points: Sequence[str],
    depth: int,
    components: int,
    train: Int[np.ndarray, " m"] | Bool[np.ndarray, " n"],
) -> Float32[np.ndarray, "n layers features"]:
    """Lay out states of several kinds by depth.

    Args:
        matrices: site and rows (n, d), one after another, all of one width.
        points: kinds of state, one block of features each, in order.
        depth: layers.
        components: kept of each state; fewer where rows or width are.
        train: rows that means and components are taken from, their places or a mask.

    Returns:
        One row of features for each layer: those of every kind side by side; zero for a state that
        is not there.

    Raises:
        ValueError: no state is given.
    """
    train = np.flatnonzero(train) if train.dtype == bool else train  # counted below
    out = None
    for site, x in matrices:
        rows = x[train].astype(np.float64)
        mean = rows.mean(axis=0)
        size = min(components, x.shape[1], len(train) - 1)
        values, vectors = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(train))
        basis = vectors[:, ::-1][:, :size] / np.sqrt(np.maximum(values[::-1][:size], 1e-12))
        if out is None:
            out = np.zeros((len(x), depth, len(points), size), dtype=np.float32)
        out[:, site.layer, points.index(site.point)] = (x - mean) @ basis
    if out is None:
        raise ValueError("layer_map: no states are given")
    return out.reshape(len(out), depth, -1)
