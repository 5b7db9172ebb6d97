"""Encoders of digits that learn from two views without labels: by a loss on the embeddings of both,
or by predicting a slow copy of themselves.

A view is a digit at a random place and angle (`inscape.worlds.digit_views.moved`); every batch is
drawn anew from the training digits.

Reference: Chen, Kornblith, Norouzi and Hinton (2020), arXiv:2002.05709; Grill et al. (2020),
arXiv:2006.07733.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from inscape.core.measured import Role
from inscape.learn.ema_target import EmaTarget, SelfPredicting, predict_target
from inscape.learn.fit import Update
from inscape.learn.gradient import Gradient
from inscape.nets.joint_embedding import projector
from inscape.study.arms import Arm
from inscape.worlds.digit_views import drawn_digits, moved

#: takes a generator and the number of the pair; two views of the same inputs
Views = Callable[[np.random.Generator, int], tuple[Tensor, Tensor]]
_ADAM = Gradient()


def digit_views(n: int, strength: float = 1.0) -> Views:
    """Batches of two views of each digit, both (n, 1, 18, 18).

    Args:
        n: digits of a batch, drawn with replacement.
        strength: of the views, as `inscape.worlds.digit_views.moved` takes it.
    """

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor]:
        digits, _ = drawn_digits(n, True, rng=rng)
        return moved(digits, rng=rng, strength=strength), moved(digits, rng=rng, strength=strength)

    return batches


def agreeing(
    net: Callable[[int], nn.Module],
    loss: Callable[[Tensor, Tensor], Tensor],
    views: Views,
    update: Update = _ADAM,
    role: Role = "treatment",
) -> Arm:
    """A network whose embeddings of two views a loss compares; one pass sees both.

    Args:
        net: makes it, from the number of the pair.
        loss: of the embeddings of the first views and of the second, (n, d) each.
        views: the batches.
        update: the learning rule.
        role: of the arm.
    """

    def compared(net: nn.Module, both: tuple[Tensor, Tensor]) -> Tensor:
        return loss(*net(torch.cat(both)).chunk(2))

    return Arm(net, views, compared, update, role)


def self_predicting(
    net: Callable[[int], nn.Module], width: int, views: Views, update: EmaTarget
) -> Arm:
    """A network that predicts, from one view, what its slow copy makes of the other; used without
    predictor and copy.

    Args:
        net: makes it, from the number of the pair.
        width: d, of its embeddings; the predictor is twice as wide.
        views: the batches.
        update: the learning rule, after whose steps the copy follows.
    """
    return Arm(
        net=lambda k: SelfPredicting(net(k), projector(width, 2 * width, width)),
        batches=views,
        objective=lambda both, pair: predict_target(both, *pair),
        update=update,
        deploy=lambda both: both.net,
    )
