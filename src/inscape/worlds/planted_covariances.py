"""Two views whose features have covariances and regression coefficients that were planted.

    x = Q a,   y = Q b,   b_i = ρ_i a_i + noise,   var(a_i) = λ_i / ρ_i   so that cov(a_i, b_i) = λ_i

Q is a random rotation that both views share. A feature of large λ and small ρ varies much and says
little of the other view: a noisy one.

Cost: that of drawing the pairs.
Reference: Littwin et al. (2024), arXiv:2407.03475, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class PlantedCovariances:
    """Where the features lie and how they vary.

    Attributes:
        lam: λ, covariance of each feature between the views, (d,).
        rho: ρ, coefficient of the regression of y on x, (d,).
        basis: the features' directions in the columns, (d, d).
        noise: standard deviation of what x does not say of y.
    """

    lam: Float[np.ndarray, " d"]
    rho: Float[np.ndarray, " d"]
    basis: Float[np.ndarray, "d d"]
    noise: float

    def draw(
        self, n: int, *, rng: np.random.Generator
    ) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]:
        """Pairs of views."""
        a = rng.normal(size=(n, len(self.lam))) * np.sqrt(self.lam / self.rho)
        b = a * self.rho + rng.normal(scale=self.noise, size=a.shape)
        return a @ self.basis.T, b @ self.basis.T


def planted_covariances(
    lam: Any,
    rho: Any,
    noise: float = 0.5,
    *,
    rng: np.random.Generator,
) -> PlantedCovariances:
    """Views of the features, in a random basis.

    Args:
        lam: λ of each feature, above 0, (d,).
        rho: ρ of each feature, above 0, (d,).
        noise: standard deviation of what x does not say of y, at least 0.
        rng: of the basis.

    Raises:
        ValueError: numbers that are not above 0, or a noise below 0.
    """
    lam, rho = (np.asarray(x, dtype=np.float64) for x in (lam, rho))
    if lam.shape != rho.shape or min(lam.min(), rho.min()) <= 0 or noise < 0:
        raise ValueError(
            "planted_covariances: lam and rho are above 0, one for each feature, and noise is not "
            f"below 0; got lam {lam.tolist()}, rho {rho.tolist()}, noise {noise}"
        )
    basis, _ = np.linalg.qr(rng.normal(size=(len(lam), len(lam))))
    return PlantedCovariances(lam, rho, basis, noise)
