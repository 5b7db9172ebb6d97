"""Hierarchical equality: are two pairs of things alike in being equal? And networks that compute
it, or do not.

Four slots hold one thing each, a random vector or one of a few symbols; the answer is (x₁ = x₂) =
(x₃ = x₄). The algorithm has two inner variables, the equality of either pair, each true in half of
the cases drawn. A perceptron with some hidden layers is trained to answer; its twin has the weights
it began with. Vectors are drawn anew each time, so that no case occurs twice; of symbols there are
so few that every case soon occurs.

Cost: a few seconds on one core for symbols, a minute for vectors.
Reference: Geiger et al. (2023), arXiv:2303.02536, §4.1, for the task with vectors; Premack (1983)
for its kind.
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
        slots: what a slot holds.
        layers: hidden layers.
        accuracy: of the trained network on fresh draws; with few symbols every case occurs in
            training.
    """

    trained: Perceptron
    random: Perceptron
    slots: Slots
    layers: int
    accuracy: float


@dataclass(frozen=True)
class Slots:
    """What a slot holds: a vector drawn uniformly from [−½, ½]ᵏ, or one of k symbols as a one-hot
    vector.

    Attributes:
        kind: ``"vectors"`` or ``"symbols"``.
        size: k.
    """

    kind: str
    size: int

    def draw(self, n: int, rng: np.random.Generator) -> Float[np.ndarray, "n 4 k"]:
        """Cases in which each pair is equal with probability one half, the two independently."""
        if self.kind == "symbols":
            return np.eye(self.size, dtype=np.float32)[_symbols(n, self.size, rng)]
        x = rng.uniform(-0.5, 0.5, (n, 4, self.size)).astype(np.float32)
        for pair in (0, 2):
            equal = rng.random(n) < 0.5
            x[equal, pair + 1] = x[equal, pair]
        return x


def _symbols(n: int, symbols: int, rng: np.random.Generator) -> Int[np.ndarray, "n 4"]:
    x = rng.integers(symbols, size=(n, 4))
    for pair in (0, 2):
        other = (x[:, pair] + rng.integers(1, symbols, n)) % symbols
        x[:, pair + 1] = np.where(rng.random(n) < 0.5, x[:, pair], other)
    return x


class Perceptron(nn.Module):
    """Hidden layers of one width over four slots, two logits out."""

    def __init__(self, size: int, width: int, layers: int, generator: torch.Generator) -> None:
        super().__init__()
        sizes = [4 * size] + [width] * layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.head = nn.Linear(width, 2)
        with torch.no_grad():
            for layer in [*self.hidden, self.head]:
                bound = (6 / layer.in_features) ** 0.5
                layer.weight.copy_(
                    (2 * torch.rand(layer.weight.shape, generator=generator) - 1) * bound
                )
                layer.bias.copy_(0.1 * torch.randn(layer.bias.shape, generator=generator))

    def layer(self, x: Float[Tensor, "n 4 k"], index: int) -> Float[Tensor, "n width"]:
        """What leaves hidden layer `index`, from 1."""
        h = x.flatten(1)
        for linear in self.hidden[:index]:
            h = torch.relu(linear(h))
        return h

    def finish(self, h: Float[Tensor, "n width"], index: int) -> Float[Tensor, "n 2"]:
        """The logits, from what left hidden layer `index`."""
        for linear in self.hidden[index:]:
            h = torch.relu(linear(h))
        return self.head(h)


def variables(x: Float[np.ndarray, "n 4 k"]) -> Int[np.ndarray, "n 2"]:
    """The two inner variables: whether the first pair is equal, and the second."""
    equal = [(x[:, i] == x[:, i + 1]).all(axis=1) for i in (0, 2)]
    return np.stack(equal, axis=1).astype(np.int64)


def hierarchical_equality(
    slots: Slots, width: int = 32, layers: int = 3, steps: int = 2000, seed: int = 0
) -> HierarchicalEquality:
    """Train the network, and keep its twin as it began.

    Args:
        slots: what a slot holds; at least 2 symbols.
        width: of the hidden layers.
        layers: how many.
        steps: of training, each on 512 fresh cases.
        seed: of weights and of the batches.

    Returns:
        The two networks.
    """
    made = [
        Perceptron(
            slots.size,
            width,
            layers,
            torch.Generator().manual_seed(child_seed(seed, "equality") % 2**63),
        )
        for _ in range(2)
    ]
    rng = np.random.default_rng(child_seed(seed, "equality", "cases"))
    with one_torch_thread():
        _train(made[0], slots, steps, rng)
    test = slots.draw(20_000, rng)
    with torch.no_grad():
        guess = (
            made[0].finish(made[0].layer(torch.from_numpy(test), layers), layers).argmax(1).numpy()
        )
    truth = variables(test)
    accuracy = float((guess == (truth[:, 0] == truth[:, 1])).mean())
    return HierarchicalEquality(made[0].eval(), made[1].eval(), slots, layers, accuracy)


def _train(net: Perceptron, slots: Slots, steps: int, rng: np.random.Generator) -> None:
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    depth = len(net.hidden)
    for _ in range(steps):
        x = slots.draw(512, rng)
        truth = variables(x)
        target = torch.from_numpy((truth[:, 0] == truth[:, 1]).astype(np.int64))
        loss = nn.functional.cross_entropy(
            net.finish(net.layer(torch.from_numpy(x), depth), depth), target
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
