"""Hierarchical equality: are two pairs of symbols alike in being equal? And networks that compute it, or do not.

Four slots hold one of a few symbols each; the answer is (x₁ = x₂) = (x₃ = x₄). The algorithm has two inner variables, the
equality of either pair, each true in half of the cases drawn. A perceptron with some hidden layers is trained to answer;
its twin has the weights it began with.

Cost: a few seconds on one core.
Reference: Geiger et al. (2023), arXiv:2303.02536, §4.1, for the task; Premack (1983) for its kind.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inscape.core.rng import child_seed
from inscape.core.threads import one_torch_thread


@dataclass(frozen=True)
class HierarchicalEquality:
    """Two networks and the task.

    Attributes:
        trained: the network that has learnt it.
        random: its twin with the weights it began with.
        symbols: how many a slot chooses from.
        layers: hidden layers.
        accuracy: of the trained network on fresh draws; with few symbols every case occurs in training.
    """

    trained: Perceptron
    random: Perceptron
    symbols: int
    layers: int
    accuracy: float


class Perceptron(nn.Module):
    """Hidden layers of one width over four one-hot slots, two logits out."""

    def __init__(self, symbols: int, width: int, layers: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [4 * symbols] + [width] * layers
        self.symbols = symbols
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.head = nn.Linear(width, 2)
        with torch.no_grad():
            for layer in [*self.hidden, self.head]:
                bound = (6 / layer.in_features) ** 0.5
                layer.weight.copy_(
                    (2 * torch.rand(layer.weight.shape, generator=generator) - 1) * bound
                )
                layer.bias.copy_(0.1 * torch.randn(layer.bias.shape, generator=generator))

    def layer(self, x: Int[Tensor, "n 4"], index: int) -> Float[Tensor, "n width"]:
        """What leaves hidden layer `index`, from 1."""
        h = nn.functional.one_hot(x, self.symbols).flatten(1).float()
        for linear in self.hidden[:index]:
            h = torch.relu(linear(h))
        return h

    def finish(self, h: Float[Tensor, "n width"], index: int) -> Float[Tensor, "n 2"]:
        """The logits, from what left hidden layer `index`."""
        for linear in self.hidden[index:]:
            h = torch.relu(linear(h))
        return self.head(h)


def cases(n: int, symbols: int, rng: np.random.Generator) -> Int[np.ndarray, "n 4"]:
    """Cases in which each pair is equal with probability one half, the two independently."""
    x = rng.integers(symbols, size=(n, 4))
    for pair in (0, 2):
        other = (x[:, pair] + rng.integers(1, symbols, n)) % symbols
        x[:, pair + 1] = np.where(rng.random(n) < 0.5, x[:, pair], other)
    return x


def variables(x: Int[np.ndarray, "n 4"]) -> Int[np.ndarray, "n 2"]:
    """The two inner variables: whether the first pair is equal, and the second."""
    return np.stack([x[:, 0] == x[:, 1], x[:, 2] == x[:, 3]], axis=1).astype(np.int64)


def hierarchical_equality(
    symbols: int = 5, width: int = 32, layers: int = 3, steps: int = 2000, seed: int = 0
) -> HierarchicalEquality:
    """Train the network, and keep its twin as it began.

    Args:
        symbols: of a slot, at least 2.
        width: of the hidden layers.
        layers: how many.
        steps: of training.
        seed: of weights and of the batches.

    Returns:
        The two networks.
    """
    made = [
        Perceptron(
            symbols,
            width,
            layers,
            torch.Generator().manual_seed(child_seed(seed, "equality") % 2**63),
        )
        for _ in range(2)
    ]
    rng = np.random.default_rng(child_seed(seed, "equality", "cases"))
    with one_torch_thread():
        _train(made[0], steps, rng)
    test = cases(20_000, symbols, rng)
    with torch.no_grad():
        guess = (
            made[0].finish(made[0].layer(torch.from_numpy(test), layers), layers).argmax(1).numpy()
        )
    truth = variables(test)
    accuracy = float((guess == (truth[:, 0] == truth[:, 1])).mean())
    return HierarchicalEquality(made[0].eval(), made[1].eval(), symbols, layers, accuracy)


def _train(net: Perceptron, steps: int, rng: np.random.Generator) -> None:
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    depth = len(net.hidden)
    for _ in range(steps):
        x = cases(512, net.symbols, rng)
        truth = variables(x)
        target = torch.from_numpy((truth[:, 0] == truth[:, 1]).astype(np.int64))
        loss = nn.functional.cross_entropy(
            net.finish(net.layer(torch.from_numpy(x), depth), depth), target
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
