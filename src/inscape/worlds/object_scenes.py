"""Object scenes: coloured shapes on a noisy ground, the class of every pixel, and pairs of crops
with matched cells.

    scene   32 × 32, one or several of five shapes, mask 0 (ground) or 1 + shape
    crop    24 × 24 at an offset of 0, 4 or 8 pixels, with gains of its own for each colour channel, and noise

Offsets are whole cells of 4 × 4 pixels, so that which cell of one crop shows the same place as a
cell of the other is known exactly. Two crops of a scene share at least 4 × 4 of their 6 × 6 cells.

Cost: a millisecond for a hundred scenes.
Reference: Wang et al. (2021), DenseCL, arXiv:2011.09157, for matched cells of two crops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from inscape.core.between import check_between
from inscape.worlds.captioned_scenes import COLOURS, SHAPES, shape_masks

#: pixels along a scene, along a crop and along a cell; cells along a crop; classes of a pixel
SCENE, CROP, CELL = 32, 24, 4
GRID, CLASSES = CROP // CELL, 1 + len(SHAPES)


@dataclass(frozen=True, eq=False)
class ObjectScenes:
    """Scenes with their truth.

    Attributes:
        images: (n, 3, 32, 32), about between 0 and 1.
        masks: class of each pixel, (n, 32, 32): 0 for the ground, else one more than the shape.
        shapes: shape of the object that was drawn last, which nothing hides, (n,).
    """

    images: Float[Tensor, "n 3 h w"]
    masks: Int[Tensor, "n h w"]
    shapes: Int[Tensor, " n"]


def object_scenes(n: int, objects: int, *, rng: np.random.Generator) -> ObjectScenes:
    """Draw scenes.

    Args:
        n: how many.
        objects: in each; a later one hides those before it.
        rng: of everything in them.

    Raises:
        ValueError: no scene, or no object.

    Example:
        >>> made = object_scenes(2, 1, rng=np.random.default_rng(0))
        >>> bool((made.masks.amax((1, 2)) == made.shapes + 1).all())
        True
    """
    check_between("object_scenes: n", n, 1)
    check_between("object_scenes: objects", objects, 1)
    images = 0.15 * rng.normal(size=(n, 3, SCENE, SCENE)) + rng.uniform(0, 0.4, (n, 3, 1, 1))
    masks, paints = np.zeros((n, SCENE, SCENE), dtype=np.int64), np.array(list(COLOURS.values()))
    grid, shape = np.indices((SCENE, SCENE))[:, None] + 0.5, np.zeros(n, dtype=np.int64)
    for _ in range(objects):
        shape, radius = rng.integers(len(SHAPES), size=n), rng.uniform(4, 7, (n, 1, 1))
        v, u = (grid - rng.uniform(6, SCENE - 6, (2, n, 1, 1))) / radius
        inside = shape_masks(u, v)[shape, np.arange(n)]
        paint = paints[rng.integers(len(paints), size=n)][:, :, None, None]
        images = np.where(
            inside[:, None], paint + 0.1 * rng.normal(size=(n, 3, SCENE, SCENE)), images
        )
        masks = np.where(inside, 1 + shape[:, None, None], masks)
    return ObjectScenes(
        torch.from_numpy(images).float(), torch.from_numpy(masks), torch.from_numpy(shape)
    )


@dataclass(frozen=True, eq=False)
class CropPairs:
    """Two crops of each scene, and cells in both.

    Attributes:
        crops: both crops, (n, 3, 24, 24) each.
        cells: cells of the first crop and those of the second that show the same place, (n, m)
            each.
        anywhere: random cells of the second crop, (n, m).
    """

    crops: tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n 3 h w"]]
    cells: tuple[Int[Tensor, "n m"], Int[Tensor, "n m"]]
    anywhere: Int[Tensor, "n m"]


def crop_pairs(
    images: Float[Tensor, "n 3 h w"], cells: int, *, rng: np.random.Generator
) -> CropPairs:
    """Cut two crops from each scene.

    Args:
        images: of scenes, (n, 3, 32, 32).
        cells: matched cells of each pair, drawn with replacement from those that both crops show.
        rng: of offsets, gains, noise and cells.
    """
    n, most = len(images), (SCENE - CROP) // CELL
    offsets = rng.integers(most + 1, size=(2, 2, n))  # crop, axis, scene
    low, high = offsets.max(axis=0)[..., None], offsets.min(axis=0)[..., None] + GRID
    place = rng.integers(low, high, size=(2, n, cells))  # in cells of the scene
    first, second = (
        torch.from_numpy((row := place - own[..., None])[0] * GRID + row[1]) for own in offsets
    )
    steps = np.arange(CROP)
    cut = []
    for down, across in offsets * CELL:
        rows, columns = down[:, None] + steps, across[:, None] + steps
        part = images.numpy()[
            np.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]
        ].transpose(0, 3, 1, 2)
        gains = rng.uniform(0.6, 1.4, (n, 3, 1, 1))
        cut.append(torch.from_numpy(part * gains + 0.05 * rng.normal(size=part.shape)).float())
    anywhere = torch.from_numpy(rng.integers(GRID**2, size=(n, cells)))
    return CropPairs((cut[0], cut[1]), (first, second), anywhere)
