"""Two encoders that share a classifier, one a side, whose embeddings may be aligned.

    loss = w₁ CE(head(a), y) + w₂ CE(head(b), y) + w₃ CCA(a, b) + w₄ transport(a, b)

a and b are the embeddings of the same rows on the two sides (`inscape.nets.TwoEncoders`), CCA and
transport are `inscape.learn.correlation_loss` and `inscape.learn.transport_loss`. A control aligns
each row's b with another row's a.

Reference: Qiu et al. (2023), arXiv:2208.06348.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inscape.compare.canonical import CanonicalCorrelation
from inscape.learn.correlation_loss import correlation_loss, transport_loss
from inscape.learn.fit import Gradient
from inscape.nets.two_encoders import TwoEncoders
from inscape.study.arms import Arm

#: rows of a batch
BATCH = 64


class Sides(NamedTuple):
    """The same rows as tokens on two sides.

    Attributes:
        first, second: tokens of each side, (n, t, f) and (n, u, g).
        label: class of each row, (n,).
        train: rows that are trained on, the first ones; the rest is tested on.
    """

    first: Tensor
    second: Tensor
    label: Tensor
    train: int


class Weights(NamedTuple):
    """Of each part of the loss; see the module.

    Attributes:
        first, second: of the cross-entropies of the sides.
        correlation, transport: of the losses that align them.
        others: whether each row is aligned with another row, a control.
    """

    first: float = 1
    second: float = 1
    correlation: float = 0
    transport: float = 0
    others: bool = False


def sides_loss(weights: Weights, net: Any, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """The loss of a batch of tokens of both sides and labels."""
    first, second, label = batch
    a, b = net(first, second)
    loss = weights.first * F.cross_entropy(net.head(a), label)
    loss = loss + weights.second * F.cross_entropy(net.head(b), label)
    partner = a.roll(1, 0) if weights.others else a
    if weights.correlation:
        loss = loss + weights.correlation * correlation_loss(partner, b)
    if weights.transport:
        loss = loss + weights.transport * transport_loss(partner, b)
    return loss


def side_arms(
    weights: Mapping[str, Weights], worlds: Sequence[Sides], *, without: str, rate: float = 2e-3
) -> dict[str, Arm]:
    """An arm for each set of weights, trained on one world a pair.

    Args:
        weights: name → weights of the loss.
        worlds: what the networks of pair 0, 1, … see, of one shape.
        without: the arm that is not aligned: with the arms aligned to other rows, the baselines.
        rate: learning rate; it falls as a cosine.
    """
    classes = int(worlds[0].label.max()) + 1
    shapes = [(x.shape[1], x.shape[2]) for x in (worlds[0].first, worlds[0].second)]

    def batches(rng: np.random.Generator, k: int) -> tuple[Tensor, Tensor, Tensor]:
        world = worlds[k]
        rows = torch.from_numpy(rng.integers(world.train, size=BATCH))
        return world.first[rows], world.second[rows], world.label[rows]

    return {
        name: Arm(
            net=lambda k: TwoEncoders(*shapes, classes),
            batches=batches,
            objective=partial(sides_loss, own),
            update=Gradient(lr=rate, schedule="cosine"),
            role="baseline" if name == without or own.others else "treatment",
        )
        for name, own in weights.items()
    }


@torch.no_grad()
def sides_named(net: Any, sides: Sides) -> dict[str, Float[np.ndarray, " n"]]:
    """Whether a test row's label is named from the ``"first"`` side, the ``"second"`` and, by the
    sum of their log-probabilities, from both (``"fused"``).
    """
    both = net(sides.first[sides.train :], sides.second[sides.train :])
    scores = [F.log_softmax(net.head(x), dim=1) for x in both]
    named = dict(zip(("first", "second", "fused"), (*scores, sum(scores)), strict=True))
    label = sides.label[sides.train :]
    return {name: (s.argmax(dim=1) == label).double().numpy() for name, s in named.items()}


@torch.no_grad()
def sides_correlation(net: Any, sides: Sides) -> float:
    """Canonical correlation of the two embeddings on test rows, by the directions of the others."""
    a, b = (x.double().numpy() for x in net(sides.first, sides.second))
    fitted = CanonicalCorrelation().fit(a[: sides.train], b[: sides.train])
    return fitted.score(a[sides.train :], b[sides.train :])


@torch.no_grad()
def pooling_weights(net: Any, sides: Sides) -> Float[np.ndarray, " u"]:
    """The mean weight that pooling gives each token of the second side, over test rows."""
    states = net.second.states(sides.second[sides.train :])
    return net.second.weights(states).mean(dim=0).numpy()
