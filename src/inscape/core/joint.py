"""Joint: what two sets of measurements of the same rows share, held about their means, merged
exactly; and linear CKA of it.

With a = ‖x‖² and b = ‖y‖² of centred rows,

    C = Σ x yᵀ     u = Σ b x     v = Σ a y     A = Σ a     B = Σ b     D = Σ a b

are enough for ridge of y on x (C), and for the debiased linear CKA without any n × n matrix: with
K̃ = X Xᵀ and L̃ = Y Yᵀ without their diagonals,

    tr K̃L̃ = ‖C‖² − D     1ᵀK̃1 = −A     1ᵀL̃1 = −B     1ᵀK̃L̃1 = D
    HSIC₁ = [tr K̃L̃ + (1ᵀK̃1)(1ᵀL̃1)/((n−1)(n−2)) − 2·1ᵀK̃L̃1/(n−2)] / (n(n−3))

u and v are what D needs to be moved to another pair of means when parts are merged. HSIC₁ does not
change when X or Y is shifted, so holding everything about the means only saves digits.

Cost: n d e for `of`, d e to merge; d e numbers held for widths d and e.
Reference: Song et al. (2012), Feature selection via dependence maximization, JMLR 13, eq. 5;
Nguyen, Raghu and Kornblith (2020), arXiv:2010.15327, for CKA from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from inscape.core.centred import Centred


@dataclass(frozen=True)
class Joint:
    """Cross-moments of paired rows about their means.

    Attributes:
        n: pairs of rows.
        mean_x: mean of the first, (d,).
        mean_y: mean of the second, (e,).
        cross: C, (d, e).
        x_norm_y: u, (d,).
        y_norm_x: v, (e,).
        trace_x: A.
        trace_y: B.
        norms: D.
    """

    n: int
    mean_x: Float[np.ndarray, " d"]
    mean_y: Float[np.ndarray, " e"]
    cross: Float[np.ndarray, "d e"]
    x_norm_y: Float[np.ndarray, " d"]
    y_norm_x: Float[np.ndarray, " e"]
    trace_x: float
    trace_y: float
    norms: float

    @classmethod
    def of(cls, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n e"]) -> Joint:
        """The cross-moments of rows of `x` with rows of `y`, accumulated in float64.

        Raises:
            ValueError: no rows.
        """
        if len(x) == 0:
            raise ValueError(
                "Joint.of: there are no rows, so there is no mean; give at least one row"
            )
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        x, y = x - mean_x, y - mean_y
        a, b = np.einsum("nd,nd->n", x, x), np.einsum("ne,ne->n", y, y)
        return cls(
            len(x),
            mean_x,
            mean_y,
            x.T @ y,
            b @ x,
            a @ y,
            float(a.sum()),
            float(b.sum()),
            float(a @ b),
        )

    def __add__(self, other: Joint) -> Joint:
        if self.cross.shape != other.cross.shape:
            raise ValueError(
                f"Joint: widths {self.cross.shape} and {other.cross.shape} cannot be one set"
            )
        n = self.n + other.n
        mean_x = self.mean_x + (other.mean_x - self.mean_x) * (other.n / n)
        mean_y = self.mean_y + (other.mean_y - self.mean_y) * (other.n / n)
        a, b = self._about(mean_x, mean_y), other._about(mean_x, mean_y)
        return Joint(
            n,
            mean_x,
            mean_y,
            a.cross + b.cross,
            a.x_norm_y + b.x_norm_y,
            a.y_norm_x + b.y_norm_x,
            a.trace_x + b.trace_x,
            a.trace_y + b.trace_y,
            a.norms + b.norms,
        )

    def _about(self, x: np.ndarray, y: np.ndarray) -> Joint:
        """The same sums about another pair of points."""
        s, t = self.mean_x - x, self.mean_y - y
        ss, tt = float(s @ s), float(t @ t)
        ct, sc = self.cross @ t, s @ self.cross
        norms = (
            self.norms
            + 2 * float(t @ self.y_norm_x)
            + 2 * float(s @ self.x_norm_y)
            + 4 * float(sc @ t)
        )
        return Joint(
            self.n,
            x,
            y,
            self.cross + self.n * np.outer(s, t),
            self.x_norm_y + 2 * ct + (self.trace_y + self.n * tt) * s,
            self.y_norm_x + 2 * sc + (self.trace_x + self.n * ss) * t,
            self.trace_x + self.n * ss,
            self.trace_y + self.n * tt,
            norms + tt * self.trace_x + ss * self.trace_y + self.n * ss * tt,
        )

    @property
    def T(self) -> Joint:
        """The same with the two sides exchanged."""
        return Joint(
            self.n,
            self.mean_y,
            self.mean_x,
            np.ascontiguousarray(self.cross.T),
            self.y_norm_x,
            self.x_norm_y,
            self.trace_y,
            self.trace_x,
            self.norms,
        )

    @property
    def hsic(self) -> float:
        """The unbiased HSIC₁ of the two linear kernels; may be negative.

        Raises:
            ValueError: fewer than 4 rows.
        """
        return _hsic(self.n, float(np.sum(self.cross**2)), self.trace_x, self.trace_y, self.norms)


def cka_debiased_from_moments(x: Centred, y: Centred, xy: Joint) -> float:
    """Debiased linear CKA, ``HSIC₁(X, Y) / √(HSIC₁(X, X) HSIC₁(Y, Y))``, with no rows in memory.

    Args:
        x: moments of the first representation.
        y: moments of the second.
        xy: their cross-moments over the same rows.

    Returns:
        The similarity: 1 for representations equal up to rotation, scale and shift, 0 on average
        for unrelated ones. It may be negative, and a little above 1.

    Raises:
        ValueError: fewer than 4 rows, moments of different rows, or a representation whose own
            HSIC₁ is not positive: it has no structure beyond noise at this n, and no similarity is
            defined.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> m = Centred.of(x)
        >>> round(cka_debiased_from_moments(m, m, Joint.of(x, x)), 12)
        1.0
    """
    if not x.n == y.n == xy.n or len(x.mean) != len(xy.mean_x) or len(y.mean) != len(xy.mean_y):
        raise ValueError(
            f"cka_debiased_from_moments: {x.n}, {y.n} and {xy.n} rows of {len(x.mean)}, "
            f"{len(y.mean)} and {xy.cross.shape} numbers are not one set; give the moments of the "
            "same rows"
        )
    own = [_hsic(m.n, float(np.sum(m.scatter**2)), m.trace, m.trace, m.quartic) for m in (x, y)]
    for name, value in zip("xy", own, strict=True):
        if not value > 0:
            raise ValueError(
                f"cka_debiased_from_moments: HSIC of {name} with itself is {value:.3g}, not "
                "positive, so CKA is undefined; "
                "its rows have no common structure at this n: give more rows"
            )
    return xy.hsic / float(np.sqrt(own[0]) * np.sqrt(own[1]))


def _hsic(n: int, square: float, trace_x: float, trace_y: float, norms: float) -> float:
    if n < 4:
        raise ValueError(f"debiased HSIC needs at least 4 rows, got {n}")
    off = square - norms + trace_x * trace_y / ((n - 1) * (n - 2)) - 2 * norms / (n - 2)
    return off / (n * (n - 3))
