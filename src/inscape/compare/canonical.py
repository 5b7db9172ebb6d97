"""Canonical correlations: which directions of two representations vary together, up to any
invertible linear map?

    Q_x S_x W_xᵀ = X,  Q_y S_y W_yᵀ = Y (centred, cut to a rank),      ρ = singular values of Q_xᵀ Q_y

By two thin SVDs, never by inverse square roots of covariances. Correlations of the rows that were
fitted are large from nothing: for unrelated sides the mean ρ² is d/(n − 1) (0.10 at d = 100 and n =
1,000), and some ρ are exactly 1 once d + e ≥ n. So where the ranks add up to n or more the fit is
refused, below n = 10 d it warns, and `score` gives the correlations of *held-out* rows.

Cost: n d² + n e² + d e min(d, e).
Reference: Hotelling (1936), Biometrika 28; Björck and Golub (1973), Math. Comp. 27; Raghu et al.
(2017), arXiv:1706.05806.
"""

from __future__ import annotations

import warnings
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Float64
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from inscape.compare.paired_rows import paired_rows
from inscape.core.arrays import like
from inscape.core.item_rows import centred_rows, checked_rows

#: rows for each direction below which correlations of fitted rows are mostly chance
ROWS_EACH = 10


class CanonicalCorrelation(BaseEstimator):
    """Canonical correlation analysis with a rank guard.

    Args:
        rank: principal components of each side that are kept; None for all that the rows hold.
        variance: keep as many components as hold this share of the variance; with `rank`, whichever
            are fewer.

    Attributes:
        correlations_: of the fitted rows, descending, (r,).
        chance_: mean squared correlation of unrelated sides of these ranks.
        ranks_: components kept of each side.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> CanonicalCorrelation().fit(x, x @ [[1, 2], [0, 1], [3, 1]]).correlations_.round(6).tolist()
        [1.0, 1.0]
    """

    @no_type_check
    def __init__(self, rank: int | None = None, *, variance: float = 1.0) -> None:
        self.rank = rank
        self.variance = variance

    def fit(self, x: Any, y: Any) -> CanonicalCorrelation:
        """Find the directions.

        Args:
            x: (n, d).
            y: (n, e).

        Raises:
            ValueError: ranks that add up to n or more, so that correlations of 1 are there by
                necessity; a side
            that does
                not vary; other items.
        """
        a, b = paired_rows(x, y, "CanonicalCorrelation", least=3)
        if not 0 < self.variance <= 1 or (self.rank is not None and self.rank < 1):
            raise ValueError(
                "CanonicalCorrelation: rank must be at least 1 and variance in (0, 1], got "
                f"{self.rank} and {self.variance}"
            )
        n = len(a)
        self._x, self._y = (_side(s, self.rank, self.variance) for s in (a, b))
        self.ranks_ = (len(self._x[1]), len(self._y[1]))
        if sum(self.ranks_) >= n:
            raise ValueError(
                f"CanonicalCorrelation: ranks {self.ranks_[0]} and {self.ranks_[1]} add up to the "
                f"{n} rows or more, so correlations of 1 would be found in noise; declare a "
                "smaller rank, or give more rows"
            )
        if n < ROWS_EACH * max(self.ranks_):
            warnings.warn(
                f"CanonicalCorrelation: {n} rows for {max(self.ranks_)} directions; correlations "
                "of fitted rows are large by chance, quote those of held-out rows (score)",
                stacklevel=2,
            )
        basis = [(side - side.mean(axis=0)) @ own[0] for side, own in ((a, self._x), (b, self._y))]
        u, s, vt = np.linalg.svd(basis[0].T @ basis[1], full_matrices=False)
        self.correlations_ = np.minimum(s, 1.0)
        self.chance_ = max(self.ranks_) / (n - 1)
        self.weights_x_, self.weights_y_ = self._x[0] @ u, self._y[0] @ vt.T
        self.mean_x_, self.mean_y_ = a.mean(axis=0), b.mean(axis=0)
        return self

    def transform(self, x: Any, y: Any = None) -> Any:
        """Canonical variables of the first side, (m, r); of both sides where `y` is given."""
        check_is_fitted(self)
        first = (checked_rows(x, "CanonicalCorrelation: x") - self.mean_x_) @ self.weights_x_
        if y is None:
            return like(first, x)
        second = (checked_rows(y, "CanonicalCorrelation: y") - self.mean_y_) @ self.weights_y_
        return like(first, x), like(second, y)

    def held_out(self, x: Any, y: Any) -> Float64[np.ndarray, " r"]:
        """Correlation of each pair of canonical variables on other rows, in the order of the fit;
        may be negative.
        """
        a, b = paired_rows(x, y, "CanonicalCorrelation", least=3)
        first, second = (v - v.mean(axis=0) for v in self.transform(a, b))
        below = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
        inner = (first * second).sum(axis=0)
        return np.divide(inner, below, out=np.zeros_like(inner), where=below > 0)

    def score(self, x: Any, y: Any) -> float:
        """Mean correlation of the canonical variables on other rows."""
        return float(self.held_out(x, y).mean())


def _side(x: np.ndarray, rank: int | None, variance: float) -> tuple[np.ndarray, np.ndarray]:
    """A map to orthonormal components of the rows, (d, r), and the singular values, (r,)."""
    _, s, vt = np.linalg.svd(centred_rows(x), full_matrices=False)
    keep = s > max(x.shape) * np.finfo(np.float64).eps * max(float(s[0]), 0.0)
    if not keep.any():
        raise ValueError("CanonicalCorrelation: one side does not vary; leave that site out")
    share = np.cumsum(s**2) / np.sum(s**2)
    most = int(np.searchsorted(share, variance - 1e-12)) + 1
    r = min(int(keep.sum()), most, len(s) if rank is None else rank)
    return vt[:r].T / s[:r], s[:r]
