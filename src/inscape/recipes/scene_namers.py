"""Networks that name what is in a scene: its shape, colour, size and place, for studies of networks
of pictures that never saw a caption; and two views of scenes, for networks that learn without names.

Every batch is drawn anew: 64 of the scenes, each with noise and a place in its cell of its own
(`inscape.worlds.captioned_scenes`). The objective is the cross-entropy of the four factors.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from inscape.learn.gradient import Gradient
from inscape.nets.plain_cnn import PlainCNN
from inscape.study.arms import Arm
from inscape.worlds.captioned_scenes import COUNTS, Scenes, every_scene, factor_loss, scenes

#: scenes of a batch
BATCH = 64


def scene_batch(rng: np.random.Generator, known: Int[np.ndarray, "m 4"] | None = None) -> Scenes:
    """64 scenes, drawn with replacement.

    Args:
        rng: of the draw, and of the pictures.
        known: the factors that are drawn from; all 540 by default.
    """
    every = every_scene() if known is None else known
    return scenes(every[rng.integers(len(every), size=BATCH)], rng=rng)


def scene_views(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
    """Batches of two views of each of 64 scenes: the shape elsewhere in its cell, noise of its own,
    and red, green and blue each brighter or darker by up to 40 %.

    Args:
        rng: of everything.
        k: number of the pair of networks, which changes nothing.

    Returns:
        Both views, (64, 3, 24, 24) each.
    """
    made = scene_batch(rng)
    gains = torch.from_numpy(rng.uniform(0.6, 1.4, (2, BATCH, 3, 1, 1))).float()
    other = scenes(made.factors.numpy(), rng=rng)
    return made.images * gains[0], other.images * gains[1]


def namer(
    net: Callable[[], nn.Module],
    update: Gradient | None = None,
    known: Int[np.ndarray, "m 4"] | None = None,
) -> Arm:
    """A network that learns to name the factors of scenes.

    Args:
        net: makes it; it takes pictures (n, 3, 24, 24) and has Σ `COUNTS` outputs.
        update: the learning rule; the default of `inscape.learn.Gradient` where none is given.
        known: as in `scene_batch`.
    """
    return Arm(
        net=lambda k: net(),
        batches=lambda rng, k: scene_batch(rng, known),
        objective=lambda net, batch: factor_loss(net(batch.images), batch.factors),
        update=Gradient() if update is None else update,
    )


def plain_namer(width: int, known: Int[np.ndarray, "m 4"] | None = None) -> Arm:
    """A plain convolutional network that learns to name the factors of scenes.

    Args:
        width: channels of its first layer.
        known: as in `scene_batch`.
    """
    return namer(lambda: PlainCNN(3, sum(COUNTS), width), known=known)
