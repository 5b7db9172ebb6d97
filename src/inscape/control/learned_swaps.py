"""Learned swaps: train a swap until its loss stops falling, and count after which ones the changed
sequence is said.

    loss = −log p(changed sequence | swapped state)        each token told those before

A swap changes one token of a sequence in the vector that stores it
(`inscape.control.sequence_swaps`). It counts if the network, left alone, then says the changed
sequence and nothing else, on sequences that no swap and no network was trained on.

Cost: a step encodes and decodes 128 sequences.
Reference: Csordás, Potts, Manning and Geiger (2024), arXiv:2408.10920.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from inscape.control.sequence_swaps import OnionSwap, SubspaceSwap, Swaps
from inscape.worlds.sequence_repeat import Repeater, inside, loss_of, same, sequences

ONION, CONSTANT, PERMUTED = "onion", "onion, one magnitude", "onion, positions permuted"
UNIGRAM, BIGRAM = "unigram subspaces", "bigram subspaces"
#: every kind, as it is shown
SWAPS = (ONION, CONSTANT, PERMUTED, UNIGRAM, BIGRAM)
#: steps whose mean losses are compared, to tell whether a loss still falls
WINDOW = 150
#: nats a token; a loss below it has nowhere to fall
NOTHING = 0.005


@torch.no_grad()
def draw_swaps(
    net: Repeater,
    lengths: tuple[int, int],
    n: int,
    generator: torch.Generator,
    *,
    bigrams: bool = False,
    held_out: bool = False,
) -> tuple[Swaps, Tensor, Tensor]:
    """Swaps to make, the sequences that should then be said, and their lengths.

    Args:
        net: stores the sequences.
        lengths: shortest and longest sequence.
        n: how many.
        generator: of the draw.
        bigrams: the source has the position's neighbours too.
        held_out: of sequences that are in no training.
    """
    x, length = sequences(n, net.symbols, lengths, generator, held_out)
    rows, position = torch.arange(n), (torch.rand(n, generator=generator) * length).long()
    old = x[rows, position]
    new = (old + torch.randint(1, net.symbols, (n,), generator=generator)) % net.symbols
    wanted = x.clone()
    wanted[rows, position] = new
    given = torch.randint(net.symbols, x.shape, generator=generator) * inside(length, lengths[1])
    given[rows, position] = new
    if bigrams:
        beside = (torch.arange(lengths[1]) - position[:, None]).abs() == 1
        given = torch.where(beside, wanted, given)
    made = Swaps(net.encode(x, length), net.encode(given, length), position, old, new)
    return made, wanted, length


def learn_swap(
    net: Repeater,
    swap: nn.Module,
    lengths: tuple[int, int],
    most: int,
    generator: torch.Generator,
    lr: float = 5e-3,
) -> int | None:
    """Adam on the cross-entropy of the changed sequence, until the loss stops falling; in place.

    It has stopped where the mean of `WINDOW` steps is not 1 % below that of the `WINDOW` before,
    twice in a row, or where nothing is left, below `NOTHING`. Then, or once a fifth of the steps is
    left, the learning rate falls to 0 over a fifth of the steps.

    Args:
        net: stores the sequences; it is not trained.
        swap: what is trained.
        lengths: shortest and longest sequence.
        most: steps at most.
        generator: of the sequences.
        lr: learning rate.

    Returns:
        Steps after which the loss had stopped falling; None where the steps were spent before.
    """
    optimiser = torch.optim.Adam(swap.parameters(), lr=lr)
    bigrams = getattr(swap, "bigrams", False)

    def step() -> float:
        swaps, wanted, length = draw_swaps(net, lengths, 128, generator, bigrams=bigrams)
        with torch.enable_grad():
            loss = loss_of(net.decode(swap(swaps), wanted), wanted, length)
            optimiser.zero_grad()
            loss.backward()
        optimiser.step()
        return float(loss.detach())

    last = max(1, most // 5)
    losses: list[float] = []
    stopped = None
    while stopped is None and len(losses) + WINDOW <= most - last:
        losses += [step() for _ in range(WINDOW)]
        means = np.array(losses).reshape(-1, WINDOW).mean(axis=1)
        flat = len(means) > 2 and (means[-2:] > 0.99 * means[-3:-1]).all()
        if flat or means[-1] < NOTHING:
            stopped = len(losses)
    for k in range(last):
        for group in optimiser.param_groups:
            group["lr"] = lr * (1 - k / last)
        step()
    return stopped


@torch.no_grad()
def swapped_rightly(
    net: Repeater,
    swap: nn.Module,
    lengths: tuple[int, int],
    n: int,
    generator: torch.Generator,
    permuted: bool = False,
) -> Float[np.ndarray, " n"]:
    """After which swaps the changed sequence is said, 0 or 1 each, on held-out sequences.

    Args:
        net: stores the sequences, and says them.
        swap: what is made.
        lengths: shortest and longest sequence.
        n: how many.
        generator: of the sequences.
        permuted: each swap is made at half of the longest sequence further on, a control.
    """
    bigrams = getattr(swap, "bigrams", False)
    swaps, wanted, length = draw_swaps(net, lengths, n, generator, bigrams=bigrams, held_out=True)
    if permuted:
        turned = (torch.arange(lengths[1]) + lengths[1] // 2) % lengths[1]
        swaps = swaps._replace(position=turned[swaps.position])
    return same(net.repeat(swap(swaps)), wanted, length).numpy()


@torch.no_grad()
def magnitudes(swap: OnionSwap, longest: int) -> Float[np.ndarray, " longest"]:
    """Mean length of what an onion swap adds at each position, over all pairs of tokens."""
    scale = swap.scale(torch.arange(longest))
    difference = swap.tokens[:, None] - swap.tokens
    return (scale[:, None, None] * difference).norm(dim=3).mean((1, 2)).numpy()


class Learned(NamedTuple):
    """What came of every kind of swap on one store.

    Attributes:
        right: swap → after which of the test's swaps the changed sequence is said, 0 or 1.
        steps: swap → steps after which its loss had stopped falling; None where they did not
            suffice.
        scale: mean length of what the onion swap adds at each position.
    """

    right: dict[str, np.ndarray]
    steps: dict[str, int | None]
    scale: np.ndarray


def learn_all(
    net: Repeater,
    lengths: tuple[int, int],
    most: int,
    n: int,
    generator: torch.Generator,
    lr: float = 5e-3,
) -> Learned:
    """Learn an onion, one of a single magnitude, and both kinds of subspaces; permute the first.

    Args:
        net: stores the sequences.
        lengths: shortest and longest sequence.
        most: steps at most, of each.
        n: held-out sequences that each is scored on.
        generator: of initial weights and sequences.
        lr: learning rate.
    """
    right: dict[str, np.ndarray] = {}
    steps: dict[str, int | None] = {}
    scale = np.zeros(lengths[1])
    for name in (ONION, CONSTANT, UNIGRAM, BIGRAM):
        swap: OnionSwap | SubspaceSwap
        if name in (ONION, CONSTANT):
            swap = OnionSwap(net.symbols, net.width, generator, constant=name == CONSTANT)
        else:
            swap = SubspaceSwap(lengths[1], net.width, generator, bigrams=name == BIGRAM)
        steps[name] = learn_swap(net, swap, lengths, most, generator, lr)
        right[name] = swapped_rightly(net, swap, lengths, n, generator)
        if isinstance(swap, OnionSwap) and name == ONION:
            scale = magnitudes(swap, lengths[1])
            right[PERMUTED] = swapped_rightly(net, swap, lengths, n, generator, permuted=True)
    return Learned(right, steps, scale)
