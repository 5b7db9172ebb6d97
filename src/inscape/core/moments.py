"""Moments: counts, sums and Gram matrices that add and subtract.

    scatter of a set = Σ x xᵀ − n m mᵀ         scatter of (A minus B) comes from the moments of A and of B

so five folds cost one pass over the rows and five over a fifth of them. Everything is float64.
Shift `x` to about zero mean first (any constant will do): the subtraction of n m mᵀ then loses no
digits. Cost n d² for `of`, d² for the rest.

Reference: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, Am. Stat.
37.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of a set of rows.

    Attributes:
        n: rows.
        total: sum of the rows, (d,).
        gram: sum of outer products, (d, d).
    """

    n: int
    total: Float[np.ndarray, " d"]
    gram: Float[np.ndarray, "d d"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "n d"]) -> Moments:
        """The moments of the rows of `x`, accumulated in float64."""
        x = np.asarray(x, dtype=np.float64)
        return cls(len(x), x.sum(axis=0), x.T @ x)

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.gram + other.gram)

    def __sub__(self, other: Moments) -> Moments:
        if other.n >= self.n:
            raise ValueError(f"Moments: cannot take {other.n} rows out of {self.n}")
        return Moments(self.n - other.n, self.total - other.total, self.gram - other.gram)

    @property
    def mean(self) -> Float[np.ndarray, " d"]:
        """The mean row, (d,)."""
        return self.total / self.n

    @property
    def scatter(self) -> Float[np.ndarray, "d d"]:
        """``Σ (x − m)(x − m)ᵀ``, (d, d); divide by n − 1 for the covariance."""
        return self.gram - np.outer(self.total, self.mean)
