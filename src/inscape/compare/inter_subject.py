"""Inter-subject representational similarity: do regions of different subjects hold the same items
apart?

    S_pq = mean over ordered pairs of subjects a ≠ b of corr(RDM of region p in a, RDM of region q in b)

Noise of one subject is in one side of each comparison only, so S_pq is not raised by it, as
similarity within a subject is. It needs the same items of all subjects, and no correspondence of
their channels.

Cost: subjects² regions² n².
Reference: Kriegeskorte, Mur and Bandettini (2008), Front. Syst. Neurosci. 2; Nastase et al. (2019),
SCAN 14 (inter-subject correlation).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


def inter_subject(
    distances: Float[np.ndarray, "subjects regions n n"],
) -> Float64[np.ndarray, "regions regions subjects subjects"]:
    """Pearson's r of the dissimilarities of every region in every subject with every other.

    Args:
        distances: symmetric dissimilarities of the same items.

    Returns:
        r of region p in subject a and region q in subject b at [p, q, a, b]; take means over a ≠ b
        (`inscape.core.jackknife.mean_of_pairs`).

    Raises:
        ValueError: fewer than two subjects, or a region that tells no items apart.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(10, 3))
        >>> d = np.linalg.norm(x[:, None] - x, axis=2)
        >>> inter_subject(np.stack([d, 2 * d])[:, None])[0, 0].round(6).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    subjects, regions, n, _ = distances.shape
    if subjects < 2:
        raise ValueError(f"inter_subject: needs at least two subjects, got {subjects}")
    flat = distances[..., *np.triu_indices(n, 1)].reshape(subjects * regions, -1)
    if not (np.ptp(flat, axis=1) > 0).all():
        raise ValueError("inter_subject: one region tells no items apart; leave it out")
    found = np.corrcoef(flat).reshape(subjects, regions, subjects, regions)
    return np.asarray(found.transpose(1, 3, 0, 2))


def shuffled_items(
    distances: Float[np.ndarray, "subjects regions n n"], *, rng: np.random.Generator
) -> Float64[np.ndarray, "subjects regions n n"]:
    """One draw of the null of items that do not correspond: each subject's items in an order of its
    own, the same in all of its regions.

    What regions of one subject share stays as it is; what subjects share about items is gone.

    Args:
        distances: as in `inter_subject`.
        rng: of the orders.

    Example:
        >>> d = np.arange(9.0).reshape(1, 1, 3, 3)
        >>> moved = shuffled_items(d, rng=np.random.default_rng(0))
        >>> sorted(moved.diagonal(axis1=2, axis2=3).ravel().tolist())
        [0.0, 4.0, 8.0]
    """
    orders = [rng.permutation(distances.shape[-1]) for _ in distances]
    return np.stack([own[:, o][:, :, o] for own, o in zip(distances, orders, strict=True)])
