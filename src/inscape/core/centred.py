"""Centred: everything of one set of rows that linear methods need, held about its own mean, and
merged exactly.

    scatter = Σ (x − m)(x − m)ᵀ     cubic = Σ ‖x − m‖² (x − m)     quartic = Σ ‖x − m‖⁴

Scatter is what ridge, discriminants and principal components read; quartic is what debiased
similarities and Ledoit and Wolf's shrinkage read; cubic is what quartic needs to be moved to
another mean. Two parts are merged by moving both to the common mean, so that no digits are lost
whatever the offset of the data, in any order and on any number of machines. Everything is float64.
Where folds are taken out again, `inscape.core.moments` subtracts.

Cost: n d² for `of`, d² to merge; d² numbers held.
Reference: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, Am. Stat.
37.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Centred:
    """Moments of a set of rows about their mean.

    Attributes:
        n: rows, at least 1.
        mean: the mean row, (d,).
        scatter: sum of outer products of the centred rows, (d, d); over n − 1 it is the covariance.
        cubic: sum of the centred rows, each times its squared norm, (d,).
        quartic: sum of the fourth powers of their norms.

    Example:
        >>> x = np.array([[1.0, 0.0], [3.0, 0.0], [5.0, 3.0]])
        >>> whole = Centred.of(x[:1]) + Centred.of(x[1:])
        >>> whole.mean.tolist(), whole.scatter.tolist()
        ([3.0, 1.0], [[8.0, 6.0], [6.0, 6.0]])
    """

    n: int
    mean: Float[np.ndarray, " d"]
    scatter: Float[np.ndarray, "d d"]
    cubic: Float[np.ndarray, " d"]
    quartic: float

    @classmethod
    def of(cls, x: Float[np.ndarray, "n d"]) -> Centred:
        """The moments of the rows of `x`, accumulated in float64.

        Raises:
            ValueError: no rows.
        """
        if len(x) == 0:
            raise ValueError(
                "Centred.of: there are no rows, so there is no mean; give at least one row"
            )
        x = np.asarray(x, dtype=np.float64)
        mean = x.mean(axis=0)
        x = x - mean
        norms = np.einsum("nd,nd->n", x, x)
        return cls(len(x), mean, x.T @ x, norms @ x, float(norms @ norms))

    def __add__(self, other: Centred) -> Centred:
        if self.mean.shape != other.mean.shape:
            raise ValueError(
                f"Centred: rows of {len(self.mean)} and {len(other.mean)} numbers cannot be one set"
            )
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n)
        (a, b, c), (d, e, f) = self._about(mean), other._about(mean)
        return Centred(n, mean, a + d, b + e, c + f)

    def _about(self, point: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Scatter, cubic and quartic of the rows about another point."""
        s = self.mean - point
        square = float(s @ s)
        moved = self.scatter @ s
        scatter = self.scatter + self.n * np.outer(s, s)
        cubic = self.cubic + 2 * moved + (self.trace + self.n * square) * s
        quartic = self.quartic + 4 * float(s @ self.cubic) + 4 * float(s @ moved)
        return scatter, cubic, quartic + 2 * square * self.trace + self.n * square**2

    @property
    def trace(self) -> float:
        """Sum of squared norms of the centred rows."""
        return float(np.trace(self.scatter))

    @property
    def covariance(self) -> Float[np.ndarray, "d d"]:
        """The unbiased covariance, (d, d).

        Raises:
            ValueError: a single row.
        """
        if self.n < 2:
            raise ValueError("Centred.covariance: one row has no covariance; give at least two")
        return self.scatter / (self.n - 1)
