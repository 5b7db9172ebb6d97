"""Crops of photographs as signals over coordinates, with some pixels held out: what a field fitted
to the other pixels says of them is known.

The two photographs are scikit-learn's (a temple in China, a flower; Creative Commons), at half
their size: 213 × 320 pixels, each the mean of four.

Cost: milliseconds for a crop of 64 × 64.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from sklearn.datasets import load_sample_images
from torch import Tensor

from inscape.core.between import check_between

#: rows and columns of the photographs at half their size
SHAPE = (213, 320)


class Crop(NamedTuple):
    """A square of a photograph.

    Attributes:
        at: where each pixel is, row and column from −1 to 1, (side², 2).
        colours: of each, red, green and blue from 0 to 1, (side², 3).
        known: which pixels may be trained on, (side²,).
    """

    at: Float[Tensor, "n 2"]
    colours: Float[Tensor, "n 3"]
    known: Bool[Tensor, " n"]

    def batch(
        self, pixels: int, *, rng: np.random.Generator
    ) -> tuple[Float[Tensor, "m 2"], Float[Tensor, "m 3"]]:
        """Places and colours of known pixels, drawn with replacement.

        Args:
            pixels: how many.
            rng: of the draw.
        """
        rows = self.known.nonzero()[:, 0]
        rows = rows[torch.from_numpy(rng.integers(len(rows), size=pixels))]
        return self.at[rows], self.colours[rows]

    def held_out(self) -> tuple[Float[Tensor, "m 2"], Float[Tensor, "m 3"]]:
        """Places and colours of the pixels that are not known."""
        return self.at[~self.known], self.colours[~self.known]


def pixel_grid(side: int) -> Float[Tensor, "n 2"]:
    """Row and column of each pixel of a square, from −1 to 1, row by row.

    Args:
        side: pixels along a side.

    Example:
        >>> pixel_grid(2).tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    """
    axis = torch.linspace(-1, 1, side)
    return torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def photo_crops(
    n: int, *, side: int = 64, held: float = 0.1, rng: np.random.Generator
) -> list[Crop]:
    """Crops at random places, of both photographs by turns.

    Args:
        n: crops.
        side: pixels along a side.
        held: share of the pixels that is held out, each at random.
        rng: of places and of pixels held out.

    Raises:
        ValueError: no crop, or a share outside [0, 1); a side longer than a photograph.
    """
    check_between("photo_crops: n", n, 1)
    if not 0 <= held < 1:
        raise ValueError(f"photo_crops: held must be from 0 up to below 1, got {held}")
    if not 1 <= side <= min(SHAPE):
        raise ValueError(f"photo_crops: side must be 1 to {min(SHAPE)}, got {side}")
    rows, columns = SHAPE
    whole = [photo[: 2 * rows, : 2 * columns] for photo in load_sample_images().images]
    photos = [
        (photo.astype(np.float32) / 255).reshape(rows, 2, columns, 2, 3).mean(axis=(1, 3))
        for photo in whole
    ]
    at, found = pixel_grid(side), []
    for k in range(n):
        top, left = (int(rng.integers(size - side + 1)) for size in SHAPE)
        colours = photos[k % 2][top : top + side, left : left + side].reshape(-1, 3)
        known = torch.from_numpy(rng.random(side**2) >= held)
        found.append(Crop(at, torch.from_numpy(colours), known))
    return found
