"""Inter-subject representational similarity: do regions of different subjects hold the same items
apart?

    S_pq = mean over ordered pairs of subjects a ≠ b of corr(RDM of region p in a, RDM of region q in b)

Noise of one subject is in one side of each comparison only, so S_pq is not raised by it, as
similarity within a subject is. It needs the same items of all subjects, and no correspondence of
their channels. Whether one region matches across subjects is S_pp, whose null is items in an order
of each subject's own.

Cost: subjects² regions² n².
Reference: Kriegeskorte, Mur and Bandettini (2008), Front. Syst. Neurosci. 2; Nastase et al. (2019),
SCAN 14 (inter-subject correlation).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from inscape.core.jackknife import Jackknife, mean_of_pairs


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


def same_region(distances: Float[np.ndarray, "subjects regions n n"]) -> list[Jackknife]:
    """How well each region matches itself in other subjects: S_pp.

    Args:
        distances: as in `inter_subject`.

    Returns:
        Of each region, the mean of Pearson's r over ordered pairs of different subjects, jackknifed
        over subjects.

    Raises:
        ValueError: fewer than three subjects, of whom leaving one out leaves no pair, or a region
            that tells no items apart.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(10, 3))
        >>> d = np.linalg.norm(x[:, None] - x, axis=2)
        >>> [round(r.value, 6) for r in same_region(np.stack([d, 2 * d, 3 * d])[:, None])]
        [1.0]
    """
    if len(distances) < 3:
        raise ValueError(f"same_region: needs at least three subjects, got {len(distances)}")
    regions = range(distances.shape[1])
    return [mean_of_pairs(inter_subject(distances[:, [p]])[0, 0]) for p in regions]


def shuffled_same_region(
    distances: Float[np.ndarray, "subjects regions n n"],
    draws: int,
    *,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "draws regions"]:
    """`same_region` under its null: items in an order of each subject's own, `shuffled_items`.

    Args:
        distances: as in `inter_subject`.
        draws: of the orders.
        rng: of the orders.

    Returns:
        The mean of Pearson's r of each region in each draw; the highest of each draw is the null of
        the best region.

    Raises:
        ValueError: as in `same_region`.

    Example:
        >>> d = np.abs(np.subtract.outer(np.arange(9.0), np.arange(9.0)))
        >>> null = shuffled_same_region(np.stack([d] * 3)[:, None], 2, rng=np.random.default_rng(0))
        >>> null.shape
        (2, 1)
    """
    moved = (shuffled_items(distances, rng=rng) for _ in range(draws))
    return np.array([[r.value for r in same_region(one)] for one in moved])


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
