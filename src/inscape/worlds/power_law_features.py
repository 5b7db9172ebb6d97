"""Sparse features whose frequencies follow a power law.

    x_i = u_i v_i,    u_i ~ Bernoulli(p_i),    p_i = a i^(−α) / Σ_j j^(−α),    v_i ~ uniform(0, 2)

Features are independent, and a of them are active in a sample on average. E[v²] = 4/3, so a network
that reconstructs some features exactly, and gives nothing for the others, has the squared error
4/3 Σ p_i over those that it leaves out.

Draws are exact and cost little where few features are active: in a block of features of ranks
2^k to 2^(k+1) − 1 as many cells are drawn as the most frequent feature of the block would need, and
each is kept with the share of its own frequency in that one.

Cost: that of the active cells, and of writing zeros.
Reference: Elhage et al. (2022), Toy models of superposition, transformer-circuits.pub; Liu, Liu
and Gore (2025), arXiv:2505.10465, for the power law.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64

#: mean square of an active feature, which is uniform between 0 and 2
SQUARE = 4 / 3


@dataclass(frozen=True)
class PowerLawFeatures:
    """A distribution of sparse features.

    Attributes:
        features: n, at least 1.
        alpha: α, how fast frequencies fall with the rank; 0 for equal ones.
        active: a, features that are active in a sample on average.

    Raises:
        ValueError: no feature, α below 0, or a most frequent feature that would be active with a
            probability above 1.

    Example:
        >>> world = PowerLawFeatures(4, 1.0)
        >>> world.frequencies.round(2).tolist()
        [0.48, 0.24, 0.16, 0.12]
        >>> x = world.draw(1000, rng=np.random.default_rng(0))
        >>> x.shape, (x > 0).mean(axis=0).round(1).tolist()
        ((1000, 4), [0.5, 0.2, 0.2, 0.1])
    """

    features: int
    alpha: int | float
    active: int | float = 1.0

    def __post_init__(self) -> None:
        if self.features < 1 or self.alpha < 0 or self.active <= 0:
            raise ValueError(
                "PowerLawFeatures: needs at least one feature, alpha of at least 0 and a positive "
                f"number of active ones, got {self.features}, {self.alpha} and {self.active}"
            )
        if (most := float(self.frequencies[0])) > 1:
            raise ValueError(
                f"PowerLawFeatures: the most frequent feature would have the probability {most:.3g}"
                "; lower active or alpha, or take more features"
            )

    @cached_property
    def frequencies(self) -> Float64[np.ndarray, " n"]:
        """p, from the most frequent feature to the rarest."""
        p = np.arange(1, self.features + 1) ** -float(self.alpha)
        return self.active * p / p.sum()

    def draw(self, samples: int, *, rng: np.random.Generator) -> Float[np.ndarray, "samples n"]:
        """Samples, in single precision."""
        x = np.zeros((samples, self.features), np.float32)
        for first in 2 ** np.arange(self.features.bit_length()):
            p = self.frequencies[first - 1 : 2 * first - 1]
            cells = samples * len(p)
            at = rng.choice(cells, rng.binomial(cells, p[0]), replace=False, shuffle=False)
            row, column = np.divmod(at, len(p))
            kept = rng.random(len(at)) * p[0] < p[column]
            x[row[kept], first - 1 + column[kept]] = rng.uniform(0, 2, int(kept.sum()))
        return x

    def left_out(self, represented: Bool[np.ndarray, " n"]) -> float:
        """Σ p_i over the features that are not represented: how many of them a sample has on
        average; 4/3 times that is the error of leaving them out.
        """
        return float(self.frequencies[~represented].sum())
