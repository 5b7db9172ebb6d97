"""Alignment search: find coordinates in which swapping a variable's value does what the algorithm
says.

    minimise over φ   mean cross-entropy( finish(φ.interchange(h_base, h_source)),  the algorithm's answer )

`finish` runs the rest of the network from the representation; nothing of the network is trained.
The score is interchange intervention accuracy (IIA): how often the network, its variable swapped,
answers as the algorithm does with its own swapped, on pairs that were not trained on. Swapping a
text with itself must change nothing: `noop` says how often it does not.

Cost: steps × (one run of the rest of the network, forwards and back, over a batch).
Reference: Geiger et al. (2021), arXiv:2106.02997; Geiger et al. (2023), arXiv:2303.02536.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.parametrize import cached

from inscape.control.alignment_maps import AlignmentMap

#: the rest of a network: a representation (batch, d) and the pairs it belongs to (batch,) → logits
# (batch, answers)
Finish = Callable[[Tensor, Tensor], Tensor]


class Interchange(NamedTuple):
    """Pairs of representations, and what the algorithm answers with its variable swapped.

    Attributes:
        base: representations of the texts that are run, (n, d).
        source: of those that the variable's value is taken from, (n, d).
        answer: the algorithm's answers after the swap, (n,).
    """

    base: Float[Tensor, "n d"]
    source: Float[Tensor, "n d"]
    answer: Int[Tensor, " n"]


def align(
    phi: AlignmentMap,
    pairs: Interchange,
    finish: Finish,
    *,
    steps: int = 500,
    batch: int = 256,
    lr: float = 3e-3,
    generator: torch.Generator,
) -> list[float]:
    """Train a map, in place, with Adam under a cosine schedule; it is left in evaluation mode.

    Args:
        phi: the map.
        pairs: to train on.
        finish: the rest of the network.
        steps: of gradient descent.
        batch: pairs a step.
        lr: at the start.
        generator: of the batches.

    Returns:
        The loss of every step, in nats.

    Raises:
        ValueError: no pairs, or pairs of unequal number.
    """
    n = len(pairs.answer)
    if n == 0 or len(pairs.base) != n or len(pairs.source) != n:
        raise ValueError(
            f"align: {len(pairs.base)} bases, {len(pairs.source)} sources and {n} answers; give "
            "one of each for a pair"
        )
    optimiser = torch.optim.Adam(phi.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    phi.train()
    losses = []
    for _ in range(steps):
        rows = torch.randint(n, (min(batch, n),), generator=generator)
        with torch.enable_grad(), cached():  # a rotation is made once a step, not once a use
            logits = finish(phi.interchange(pairs.base[rows], pairs.source[rows]), rows)
            loss = torch.nn.functional.cross_entropy(logits, pairs.answer[rows])
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    phi.eval()
    return losses


@torch.no_grad()
def right(phi: AlignmentMap, pairs: Interchange, finish: Finish) -> Float[Tensor, " n"]:
    """Which pairs are answered as the algorithm does, 0 or 1: their mean is the interchange
    intervention accuracy.
    """
    rows = torch.arange(len(pairs.answer))
    return (
        finish(phi.interchange(pairs.base, pairs.source), rows).argmax(1) == pairs.answer
    ).float()


@torch.no_grad()
def noop(phi: AlignmentMap, base: Float[Tensor, "n d"], finish: Finish) -> float:
    """How often swapping a text with itself leaves the network's answer as it was; 1 but for
    rounding.
    """
    rows = torch.arange(len(base))
    return float(
        (finish(phi.interchange(base, base), rows).argmax(1) == finish(base, rows).argmax(1))
        .float()
        .mean()
    )


@torch.no_grad()
def inversion_error(phi: AlignmentMap, h: Float[Tensor, "n d"]) -> float:
    """``max |φ⁻¹(φ(h)) − h|``: what a bijection keeps to rounding."""
    return float((phi.inverse(phi(h)) - h).abs().max())


class Scored(NamedTuple):
    """A map that was trained, on pairs that it has not seen.

    Attributes:
        right: which pairs are answered as the algorithm does, 0 or 1.
        untrained: the same with the map before it was trained.
        noop: how often swapping with oneself changes nothing.
        inversion: largest error of the map's own inverse.
        foreign: largest error of the inverse of the map before it was trained.
    """

    right: np.ndarray
    untrained: np.ndarray
    noop: float
    inversion: float
    foreign: float


def align_and_score(
    phi: AlignmentMap,
    train: Interchange,
    test: Interchange,
    finish: Finish,
    *,
    steps: int,
    batch: int,
    lr: float,
    generator: torch.Generator,
) -> Scored:
    """Train a map, in place, and score it on other pairs, beside itself before training.

    Args:
        phi: the map.
        train: pairs to train on.
        test: pairs to score on.
        finish: as in `align`.
        steps: of training.
        batch: pairs a step.
        lr: learning rate at the start.
        generator: of the batches.
    """
    before, first = right(phi.eval(), test, finish).numpy(), copy.deepcopy(phi)
    align(phi, train, finish, steps=steps, batch=batch, lr=lr, generator=generator)
    same = noop(phi, test.base, finish)
    with torch.no_grad():
        foreign = float((first.inverse(phi(test.base)) - test.base).abs().max())
    after = right(phi, test, finish).numpy()
    return Scored(after, before, same, inversion_error(phi, test.base), foreign)
