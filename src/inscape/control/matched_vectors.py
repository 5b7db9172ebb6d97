"""Vectors that a steering vector must beat: as long on every block, and as alike from block to
block.

    random      the rows' span is turned at random: every norm and every cosine between blocks stays as it is
    relabelled  found as the vector was, from labels that say nothing (half of the groups swapped), rows made as long
    permuted    the same of one block, labels permuted by group, with these labels: for what is trained on both

One draw turns all blocks together. Independent draws a block would be weaker than they look: what
they add cancels from block to block, while a real vector's rows point nearly the same way and add
up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from inscape.control.contrast_vectors import difference_of_means
from inscape.control.random_directions import half_swapped, isotropic
from inscape.control.steering_vector import SteeringVector
from inscape.core.nulls import permutations


def random_vectors(
    vector: SteeringVector, k: int, *, rng: np.random.Generator
) -> list[SteeringVector]:
    """k random vectors with the norms and the cosines between blocks of `vector`.

    Raises:
        ValueError: the vector is zero, or k is below 1.

    Example:
        >>> v = SteeringVector({1: np.array([3.0, 0.0]), 2: np.array([0.0, 4.0])})
        >>> drawn, = random_vectors(v, 1, rng=np.random.default_rng(0))
        >>> [round(float(np.linalg.norm(row)), 4) for row in drawn.vectors.values()]
        [3.0, 4.0]
    """
    rows = np.stack(list(vector.vectors.values())).astype(np.float64)
    if k < 1 or not rows.any():
        raise ValueError(
            f"random_vectors: needs a vector that is not zero and at least one draw, got {k}"
        )
    u, size, _ = np.linalg.svd(rows, full_matrices=False)
    keep = size > 1e-10 * size[0]
    within = (
        u[:, keep] * size[keep]
    )  # coordinates of the rows in an orthonormal basis of their span
    out = []
    for i in range(k):
        basis = np.linalg.qr(rng.standard_normal((rows.shape[1], within.shape[1])))[0]
        out.append(_like(vector, within @ basis.T, f"random, draw {i}"))
    return out


def relabelled_vectors(
    vector: SteeringVector,
    x: Float[np.ndarray, "layers n d"],
    y: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    k: int,
    *,
    rng: np.random.Generator,
) -> list[SteeringVector]:
    """k differences of means with the labels of a random half of the groups swapped, rows as long
    as the vector's.

    Args:
        vector: what they are compared with.
        x: rows at each block of the vector, in its order.
        y: labels 0 and 1.
        groups: group of each row, 0 … G − 1; see `inscape.control.random_directions.half_swapped`.
        k: how many.
        rng: of the swaps.

    Raises:
        ValueError: rows for another number of blocks.
    """
    if len(x) != len(vector.vectors):
        raise ValueError(
            f"relabelled_vectors: rows of {len(x)} blocks, and the vector has {len(vector.vectors)}"
        )
    sizes = np.array([np.linalg.norm(row) for row in vector.vectors.values()])
    drawn = half_swapped(x, y, groups, k, rng=rng)
    return [
        _like(vector, rows * sizes[:, None], f"relabelled, draw {i}")
        for i, rows in enumerate(drawn)
    ]


class LabelledVector(NamedTuple):
    """A vector of one block, and the labels that it goes with.

    Attributes:
        labels: one a row, (n,).
        vector: (d,).
    """

    labels: np.ndarray
    vector: Float[np.ndarray, " d"]


def labelled_controls(
    vector: Float[np.ndarray, " d"],
    x: Float[np.ndarray, "n d"],
    labels: np.ndarray,
    groups: np.ndarray,
    k: int,
    *,
    rng: np.random.Generator,
) -> tuple[list[LabelledVector], list[LabelledVector]]:
    """Controls for what is trained on a difference of means and its labels: k random vectors with
    the labels as they are, and the differences of means of k permutations with these; all as long
    as the vector.

    Args:
        vector: the difference of means.
        x: rows.
        labels: of two classes, 0 and 1 or False and True.
        groups: of the rows; labels are permuted by group.
        k: draws of each.
        rng: of the draws.
    """
    random = isotropic(k, 1, len(vector), rng=rng)[:, 0]
    orders = permutations(len(labels), k, rng=rng, groups=groups, labels=labels)
    found = [difference_of_means(x[None], labels[o].astype(int))[0] for o in orders]
    size = np.linalg.norm(vector)
    scaled = [[v * (size / np.linalg.norm(v)) for v in drawn] for drawn in (random, found)]
    return (
        [LabelledVector(labels, v) for v in scaled[0]],
        [LabelledVector(labels[o], v) for o, v in zip(orders, scaled[1], strict=True)],
    )


def _like(vector: SteeringVector, rows: np.ndarray, what: str) -> SteeringVector:
    made = {layer: row.astype(np.float32) for layer, row in zip(vector.vectors, rows, strict=True)}
    return replace(vector, vectors=made, card={"what": what})
