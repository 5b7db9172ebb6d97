"""Warped manifolds: the same neighbourhoods in every subject, and long distances that are each
subject's own.

    items lie in groups; a region orders each group's items along an arc of its own
    a subject puts the arcs anywhere:   x = place of the arc + position along it

What identifies a region over subjects is who is beside whom. Where arcs lie says nothing, and makes
most of the variance of all distances.

Cost: O(items²) a region and subject.
Reference: after the planted cases of Lin and Kriegeskorte (2024), arXiv:2309.11028.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.spatial.distance import pdist, squareform

from inscape.core.between import check_between


def warped_manifolds(
    subjects: int = 8,
    regions: int = 8,
    *,
    groups: int = 8,
    each: int = 10,
    apart: float = 3.0,
    rng: np.random.Generator,
) -> Float64[np.ndarray, "subjects regions n n"]:
    """Euclidean dissimilarities of every region in every subject.

    Args:
        subjects: how many.
        regions: how many orders of the items.
        groups: arcs.
        each: items of an arc, which is a quarter of a circle of radius 1.
        apart: standard deviation of the arcs' places along each of three axes.
        rng: of everything.

    Raises:
        ValueError: a number that is out of range.

    Example:
        >>> warped_manifolds(2, 3, rng=np.random.default_rng(0)).shape
        (2, 3, 80, 80)
    """
    sizes = {"subjects": subjects, "regions": regions, "groups": groups, "each": each}
    for name, size in sizes.items():
        check_between(f"warped_manifolds: {name}", size, 1)
    along = np.linspace(0, np.pi / 2, each)
    arc = np.stack([np.cos(along), np.sin(along), 0 * along], axis=1)
    orders = [[rng.permutation(each) for _ in range(groups)] for _ in range(regions)]
    out = np.empty((subjects, regions, groups * each, groups * each))
    for s in range(subjects):
        for r, own in enumerate(orders):
            places = apart * rng.normal(size=(groups, 3))
            x = np.concatenate(
                [place + arc[order] for place, order in zip(places, own, strict=True)]
            )
            out[s, r] = squareform(pdist(x))
    return out
