"""Attribute shapes: pictures of one coloured shape whose attributes vary without steps, and how far
apart they are judged.

    shape (5), hue, radius, place across and down, brightness of the ground
    judged distance²  =  2 · [other shape] + |hue on the circle|² + Σ (differences of the others, each over its range)²

Judgements stand in for those of people, and are known exactly: a network that names the shape knows
a part of what they rest on.

Cost: a millisecond for a hundred pictures.
Reference: after the shapes of Kuhnle and Copestake (2017), ShapeWorld, arXiv:1704.04517.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from inscape.core.between import check_between
from inscape.worlds.captioned_scenes import SHAPES, shape_masks

#: pixels along a picture
SIDE = 24


@dataclass(frozen=True, eq=False)
class AttributeShapes:
    """Pictures with their truth.

    Attributes:
        images: (n, 3, 24, 24), about between 0 and 1.
        shapes: shape of each.
        attributes: coordinates whose Euclidean distance is the judged one, (n, 11).
    """

    images: Float[Tensor, "n 3 h w"]
    shapes: Int[Tensor, " n"]
    attributes: Float64[np.ndarray, "n a"]


def attribute_shapes(n: int, *, rng: np.random.Generator) -> AttributeShapes:
    """Draw pictures.

    Args:
        n: how many.
        rng: of everything in them.

    Raises:
        ValueError: no picture.

    Example:
        >>> made = attribute_shapes(3, rng=np.random.default_rng(0))
        >>> tuple(made.images.shape), made.attributes.shape
        ((3, 3, 24, 24), (3, 11))
    """
    check_between("attribute_shapes: n", n, 1)
    shape = rng.integers(len(SHAPES), size=n)
    radius, down, across, ground = rng.random((4, n))
    turn = 2 * np.pi * rng.random(n)
    grid = np.indices((SIDE, SIDE))[:, None] + 0.5
    middle = (8 + (SIDE - 16) * np.stack([down, across]))[..., None, None]
    v, u = (grid - middle) / (3.5 + 3 * radius)[:, None, None]
    inside = shape_masks(u, v)[shape, np.arange(n)][:, None]
    # three waves a third of a turn apart go once round the colours
    paint = 0.5 + 0.5 * np.cos(turn[:, None] - 2 * np.pi / 3 * np.arange(3))
    images = np.where(inside, paint[:, :, None, None], 0.5 * ground[:, None, None, None])
    images = images + 0.05 * rng.normal(size=images.shape)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) / 2
    rest = np.stack([radius, down, across, ground], axis=1)
    attributes = np.hstack([np.eye(len(SHAPES))[shape], circle, rest])
    return AttributeShapes(torch.from_numpy(images).float(), torch.from_numpy(shape), attributes)
