"""Two noisy views of the same features, and a linear target that two pathways compete for.

    x ~ N(0, I),   x_a = x + ε_a,   x_b = x + ε_b,   ε ~ N(0, σ² I),   y = S x
    ŷ = P_a x_a + P_b x_b,    L = ½ E‖y − ŷ‖²
    ∂L/∂P_a = −(S − P_a − P_b) + σ² P_a,   and alike for P_b

What one pathway explains is no longer there for the other to learn. Where view b is blank, P_b
has no gradient and P_a is trained as if it were alone. At the optimum both are S / (2 + σ²).

Cost: that of adding matrices; expectations are closed, so there are no samples.
Reference: Kleinman, Achille and Soatto (2024), arXiv:2308.12221.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int

from inscape.learn.linear_chain import Layers, chain_descent, chain_product

#: steps, and whether view b is blank in them
Phase = tuple[int, bool]


class Course(NamedTuple):
    """How a training went.

    Attributes:
        ends: both maps after each phase, (2, …, d, d).
        steps: at which maps were kept, counted over all phases.
        maps: those that were kept, (kept, 2, …, d, d).
    """

    ends: list[np.ndarray]
    steps: Int[np.ndarray, " kept"]
    maps: np.ndarray


@dataclass(frozen=True, eq=False)
class TwoViews:
    """A target and the noise of the views.

    Attributes:
        target: S, (…, d, d); what stands in front are networks with targets of their own.
        noise: σ.

    Example:
        >>> world = TwoViews(np.eye(2), 0.0)
        >>> half = np.stack([np.eye(2), np.eye(2)]) / 2
        >>> float(world.explained(half)), float(np.abs(world.gradient(half)).max())
        (1.0, 0.0)
    """

    target: Float64[np.ndarray, "*s d d"]
    noise: float

    def gradient(
        self, maps: Float64[np.ndarray, "2 *s d d"], blank: bool = False
    ) -> Float64[np.ndarray, "2 *s d d"]:
        """∂L/∂P of both pathways; with `blank`, of pathway a alone while view b is zero."""
        heard = np.array([1.0, 0.0 if blank else 1.0]).reshape(2, *[1] * self.target.ndim)
        left = self.target - (heard * maps).sum(axis=0)
        return heard * (self.noise**2 * maps - left)

    def train(self, layers: Layers, phases: Sequence[Phase], lr: float, every: int = 0) -> Course:
        """Gradient descent on the expected loss through phases with and without view b.

        Args:
            layers: of both pathways, stacks of (2, …, d, d), the first layer first.
            phases: steps of each, and whether view b is blank in them.
            lr: the learning rate.
            every: steps between two maps that are kept, within a phase; 0 to keep none.

        Example:
            >>> world = TwoViews(np.eye(1), 0.0)
            >>> course = world.train([np.full((2, 1, 1), 0.1)], [(99, True), (99, False)], 0.1)
            >>> [end.ravel().round(2).tolist() for end in course.ends]
            [[1.0, 0.1], [0.95, 0.05]]
        """
        ends, steps, kept, done = [], [], [], 0
        for length, blank in phases:
            gradient = partial(self.gradient, blank=blank)
            layers, maps = chain_descent(layers, gradient, length, lr, every)
            ends.append(chain_product(layers))
            kept += maps
            steps += range(done, done + length, every) if every else []
            done += length
        return Course(ends, np.array(steps, dtype=np.int64), np.array(kept))

    def explained(
        self, maps: Float64[np.ndarray, "2 *s d d"], drop_first: bool = False
    ) -> Float64[np.ndarray, "*s"] | float:
        """Share of the target's variance that the network explains, 1 − E‖y − ŷ‖² / E‖y‖²; with
        `drop_first`, where view a is left out of a network that was trained with both.
        """
        used = maps[1:] if drop_first else maps
        off = ((self.target - used.sum(axis=0)) ** 2).sum(axis=(-1, -2))
        noise = self.noise**2 * (used**2).sum(axis=(0, -1, -2))
        return 1 - (off + noise) / (self.target**2).sum(axis=(-1, -2))

    def draw(
        self, n: int, *, rng: np.random.Generator
    ) -> tuple[Float64[np.ndarray, "2 n d"], Float64[np.ndarray, "n d"]]:
        """Both views and the answers of n samples, for a world of one target.

        Raises:
            ValueError: several targets.
        """
        if self.target.ndim != 2:
            raise ValueError("TwoViews.draw: draws are of one target; this world has several")
        x = rng.standard_normal((n, self.target.shape[1]))
        return x + self.noise * rng.standard_normal((2, *x.shape)), x @ self.target.T


def pathway_share(maps: Float64[np.ndarray, "2 *s d d"]) -> Float64[np.ndarray, "*s"] | float:
    """Which part the second pathway has: ‖P_b‖ / (‖P_a‖ + ‖P_b‖), Frobenius norms.

    Example:
        >>> float(pathway_share(np.stack([np.eye(2), 3 * np.eye(2)])))
        0.75
    """
    first, second = np.linalg.norm(maps, axis=(-2, -1))
    return second / (first + second)


def drawn_targets(
    networks: int, values: Float64[np.ndarray, " d"], *, rng: np.random.Generator
) -> Float64[np.ndarray, "networks d d"]:
    """Targets with given singular values and random orthogonal directions on both sides."""
    d = len(values)
    left, right = np.linalg.qr(rng.standard_normal((2, networks, d, d)))[0]
    return left * values @ right
