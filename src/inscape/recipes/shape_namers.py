"""Networks that name the shape in a picture and are told nothing of its colour, size and place, for
studies of what else they come to represent.

Every batch is 64 pictures drawn anew (`inscape.worlds.attribute_shapes`). The objective is the
cross-entropy of five shapes.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from inscape.nets.plain_cnn import PlainCNN
from inscape.study.arms import Arm
from inscape.worlds.attribute_shapes import attribute_shapes
from inscape.worlds.captioned_scenes import SHAPES

#: pictures of a batch
BATCH = 64


def shape_namer(width: int) -> Arm:
    """A plain convolutional network that learns what shapes are called.

    Args:
        width: channels of its first layer.
    """

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        made = attribute_shapes(BATCH, rng=rng)
        return made.images, made.shapes

    return Arm(
        net=lambda k: PlainCNN(3, len(SHAPES), width),
        batches=batches,
        objective=lambda net, batch: F.cross_entropy(net(batch[0]), batch[1]),
    )
