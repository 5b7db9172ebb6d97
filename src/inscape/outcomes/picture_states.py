"""Pictures through a vision transformer, token by token: states, and class scores with some tokens
taken away.

Token 0 is the class token, the others are the cells of the picture, row by row. A token is taken
away by setting its embedding to a mean, which leaves its place and takes its content.

Cost: one forward pass over the pictures for each call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inscape.core.batch import Batch
from inscape.core.edit import Replace, Scope
from inscape.model.model import Model
from inscape.worlds.cluttered_digits import Pictures

BATCH = 100


def batches(n: int) -> list[np.ndarray]:
    """Rows of n pictures in batches of nearly equal size."""
    return np.array_split(np.arange(n), -(-n // BATCH))


def states_of(
    model: Model, images: Float[np.ndarray, "n c h w"], sites: Sequence[str]
) -> dict[str, Float[Tensor, "n tokens d"]]:
    """The state of every token of every picture.

    Args:
        model: a vision transformer.
        images: the pictures.
        sites: where.
    """
    parts = [
        model.run({"pixel_values": torch.from_numpy(images[rows]).float()}, list(sites))
        for rows in batches(len(images))
    ]
    return {site: torch.cat([p[site].float().cpu() for p in parts]) for site in sites}


def logits_of(
    model: Model,
    images: Float[np.ndarray, "n c h w"],
    gone: Bool[np.ndarray, "n tokens"] | None = None,
    mean: Float[Tensor, "tokens d"] | None = None,
) -> Float[Tensor, "n classes"]:
    """Class scores.

    Args:
        model: a vision transformer.
        images: the pictures.
        gone: tokens that are taken away.
        mean: what their embeddings are set to.
    """
    parts = []
    for rows in batches(len(images)):
        x = {"pixel_values": torch.from_numpy(images[rows]).float()}
        batch, edits = Batch(x), None
        if gone is not None and mean is not None:
            batch = Batch(x, None, {"gone": torch.from_numpy(gone[rows])})
            edits = Replace(Scope("embed", "mark:gone"), mean)
        found = model.run(batch, edits=edits, logits=True).logits
        assert found is not None
        parts.append(found.float().cpu())
    return torch.cat(parts)


@dataclass(frozen=True, eq=False)
class Shown:
    """Pictures and what a network makes of them.

    Attributes:
        pictures: the pictures.
        states: site → the state of every token, (n, tokens, d).
    """

    pictures: Pictures
    states: Mapping[str, Float[Tensor, "n tokens d"]]

    @classmethod
    def of(cls, model: Model, pictures: Pictures, sites: Sequence[str]) -> Shown:
        """Run a network over pictures.

        Args:
            model: a vision transformer.
            pictures: what it sees.
            sites: where it is read.
        """
        return cls(pictures, states_of(model, pictures.images, sites))
