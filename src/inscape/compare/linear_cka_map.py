"""Debiased linear CKA of all pairs of layers: which layers of a network, or of two, are alike?

    s_ij = CKA(layer i, layer j)          CKA: debiased, linear (`inscape.compare.linear_cka`)

A network whose layers are all alike gives a bright square, one that changes in stages gives blocks
along the diagonal. The map of two networks need not have its largest numbers on the diagonal, nor
be square.

Cost: n² (d + S T) for S and T layers of n items and d features in all.
Reference: Kornblith et al. (2019), arXiv:1905.00414, figures 2 to 5; Raghu et al. (2021),
arXiv:2108.08810, section 4 (two architectures).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inscape.compare.linear_cka import linear_table
from inscape.compare.shifts import Shifts
from inscape.compare.similarity_map import SimilarityMap, similarity_map


def linear_cka_map(
    first: Iterable[Any],
    second: Iterable[Any] | None = None,
    *,
    groups: Any = None,
    shifts: Shifts | None = None,
) -> SimilarityMap:
    """The map of the layers of a network with themselves, or with those of another.

    Args:
        first: (n, d) for each layer, of the same n items, at least 4; widths may differ.
        second: those of the other network, of the same items; None for the layers themselves.
        groups: as in `inscape.compare.similarity_map.similarity_map`.
        shifts: as in `inscape.compare.similarity_map.similarity_map`.

    Returns:
        The map, whose `values` are (S, T): 1 for layers that are equal up to rotation, scale and
        shift, 0 on average for unrelated ones.

    Raises:
        ValueError: no layer, fewer than 4 items, layers of other items, or one that tells no items
            apart.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> linear_cka_map([x, x[:, :2]], [2 * x[:, ::-1] + 7]).values.round(6)[0].tolist()
        [1.0]
    """
    own = [linear_table(x) for x in first]
    other = None if second is None else [linear_table(x) for x in second]
    return similarity_map(own, other, groups=groups, shifts=shifts)
