"""Four clusters whose labels range from exclusive-or to a direction of their own.

    cluster (s₁, s₂), s = ±1:   centre Q (s₁, s₂, Δ s₁ s₂)ᵀ,   label s₁ s₂

Q is a random isometry into d dimensions, and every input has isotropic noise. At Δ = 0 no line
separates the labels; the larger Δ, the more the inputs' own geometry is that of the labels.

Cost: that of drawing the noise.
Reference: Alleman, Lindsey and Fusi (2024), arXiv:2401.13558, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

#: the signs (s₁, s₂) of the four clusters
SIGNS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])


@dataclass(frozen=True, eq=False)
class Clusters:
    """Where the clusters are.

    Attributes:
        centres: (4, d).
        labels: s₁ s₂ of each cluster, ±1.
        noise: standard deviation along every axis.
    """

    centres: Float[np.ndarray, "4 d"]
    labels: Int[np.ndarray, " 4"]
    noise: float

    def draw(
        self, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"]]:
        """Inputs and the cluster of each, as many of each cluster as of any other to within one."""
        which = rng.permutation(np.arange(n) % 4)
        noise = rng.normal(scale=self.noise, size=(n, self.centres.shape[1]))
        return self.centres[which] + noise, which


def separable_clusters(
    delta: float, width: int = 100, noise: float = 0.1, *, rng: np.random.Generator
) -> Clusters:
    """Clusters at a separability.

    Args:
        delta: Δ, at least 0.
        width: d, at least 3.
        noise: standard deviation along every axis.
        rng: of the isometry.

    Raises:
        ValueError: Δ below 0, or fewer than 3 dimensions.
    """
    if delta < 0 or width < 3:
        raise ValueError(
            f"separable_clusters: delta must be at least 0 and width at least 3, got {delta} and "
            f"{width}"
        )
    labels = SIGNS.prod(axis=1)
    q, _ = np.linalg.qr(rng.normal(size=(width, 3)))
    return Clusters(np.column_stack([SIGNS, delta * labels]) @ q.T, labels, noise)
