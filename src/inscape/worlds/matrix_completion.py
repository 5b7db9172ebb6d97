"""Low-rank matrices of which a few entries are seen: what a network makes of the others shows what
it has learnt.

    T = U C Vᵀ,    U, V: (n, r) orthonormal,    C: (r, r)
    L = ½ Σ_seen (P − T)²

A related task has U and V in common with another and a core of its own; an unrelated one has
nothing in common. Matrices have a largest singular value of 1.

Cost: that of r n² multiplications.
Reference: Gunasekar et al. (2017), arXiv:1705.09280; Arora et al. (2019), arXiv:1905.13655, for deep
linear networks that complete matrices; Kleinman, Achille and Soatto (2024), arXiv:2308.12221, for
the transfer between two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from inscape.learn.linear_chain import Layers, chain_descent, chain_product


@dataclass(frozen=True, eq=False)
class Completion:
    """Tasks, one a network.

    Attributes:
        target: T, (networks, n, n).
        seen: the entries that are trained on, (networks, n, n).
    """

    target: Float64[np.ndarray, "k n n"]
    seen: Bool[np.ndarray, "k n n"]

    def gradient(self, found: Float64[np.ndarray, "k n n"]) -> Float64[np.ndarray, "k n n"]:
        """∂L/∂P."""
        return self.seen * (found - self.target)

    def error(
        self, found: Float64[np.ndarray, "k n n"], *, seen: bool = False
    ) -> Float64[np.ndarray, " k"]:
        """Squared error of the entries that were not seen, or of those that were, over their
        squares; 1 for a network that gives zeros.
        """
        of = self.seen if seen else ~self.seen
        off = (of * (found - self.target) ** 2).sum(axis=(1, 2))
        return off / (of * self.target**2).sum(axis=(1, 2))


@dataclass(frozen=True, eq=False)
class LowRank:
    """Row and column spaces that tasks can share.

    Attributes:
        left: U, (networks, n, r).
        right: V, (networks, n, r).
    """

    left: Float64[np.ndarray, "k n r"]
    right: Float64[np.ndarray, "k n r"]

    @classmethod
    def drawn(cls, networks: int, n: int, rank: int, *, rng: np.random.Generator) -> LowRank:
        """Random spaces.

        Raises:
            ValueError: a rank that is not between 1 and n.

        Example:
            >>> spaces = LowRank.drawn(3, 8, 2, rng=np.random.default_rng(0))
            >>> task = spaces.task(0.5, rng=np.random.default_rng(1))
            >>> task.target.shape, np.linalg.matrix_rank(task.target).tolist()
            ((3, 8, 8), [2, 2, 2])
        """
        if not 1 <= rank <= n:
            raise ValueError(f"LowRank.drawn: rank must be between 1 and {n}, got {rank}")
        left, right = np.linalg.qr(rng.standard_normal((2, networks, n, rank)))[0]
        return cls(left, right)

    def task(self, share: float, *, rng: np.random.Generator) -> Completion:
        """A matrix in these spaces with a core of its own, and a random share of its entries.

        Raises:
            ValueError: a share that shows no entry or all.
        """
        k, n, r = self.left.shape
        if not 0 < (count := round(share * n * n)) < n * n:
            raise ValueError(f"LowRank.task: the share seen must leave entries unseen, got {share}")
        core = rng.standard_normal((k, r, r))
        core /= np.linalg.norm(core, 2, axis=(1, 2))[:, None, None]
        places = np.broadcast_to(np.arange(n * n), (k, n * n))
        seen = rng.permuted(places, axis=1) < count
        target = self.left @ core @ self.right.swapaxes(1, 2)
        return Completion(target, seen.reshape(k, n, n))


def transferred(
    layers: Layers,
    tasks: tuple[Completion, Completion],
    durations: Sequence[int],
    steps: int,
    lr: float,
) -> dict[int, np.ndarray]:
    """Networks that go on to a second task after each of several durations of a first one.

    Args:
        layers: of deep linear networks at their start, stacks of (networks, n, n).
        tasks: the first and the second.
        durations: steps on the first task, rising; 0 is from scratch.
        steps: on the second task, each time.
        lr: the learning rate.

    Returns:
        Duration → the products after the second task, (networks, n, n).

    Raises:
        ValueError: durations that do not rise from 0 or more.
    """
    if list(durations) != sorted(set(durations)) or min(durations, default=-1) < 0:
        raise ValueError(f"transferred: durations must rise from 0 or more, got {list(durations)}")
    first, second = tasks
    found, done = {}, 0
    for duration in durations:
        layers, _ = chain_descent(layers, first.gradient, duration - done, lr)
        after, _ = chain_descent(layers, second.gradient, steps, lr)
        found[duration], done = chain_product(after), duration
    return found
