"""Orthogonal Procrustes and generalised shape distances: how far apart are two representations
after the best rotation?

    θ = arccos ‖φ(X)ᵀ φ(Y)‖_*            φ: centre, whiten in part, divide by the Frobenius norm
    whiten in part: X (α I + (1 − α) C^(−1/2)),  C = XᵀX / n          α = 1: Procrustes, α = 0: canonical correlations

θ is a distance (symmetric, triangle inequality) on shapes. Of the rows that were fitted it is too
small: unrelated sides have a similarity cos θ of 0.27, 0.75 and 0.98 at d/n = 0.1, 1 and 10. So
`Procrustes` fits on some rows and is scored on others. The narrower side is padded with zeros,
which changes nothing but lets a rotation exist.

Cost: n d e, and (d ∧ n)³ for the rotation.
Reference: Schönemann (1966), Psychometrika 31; Williams et al. (2021), Generalized shape metrics on
neural representations, arXiv:2110.14739.
"""

from __future__ import annotations

from typing import Any, no_type_check

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from inscape.compare.measure_card import MeasureCard, measures_as
from inscape.compare.paired_rows import paired_rows
from inscape.core.arrays import like
from inscape.core.item_rows import centred_rows, checked_rows


@measures_as(
    MeasureCard(
        "shape distance",
        0.0,
        float(np.pi / 2),
        frozenset({"neurons", "rotation", "scale", "shift"}),
        direction="lower",
        identity=0.0,
    )
)
def shape_distance(x: Any, y: Any, *, alpha: float = 1.0) -> float:
    """The angle between two shapes, 0 to π/2; the rows are fitted and scored at once, so unrelated
    sides are too near.

    Args:
        x: (n, d).
        y: (n, e).
        alpha: 1 compares up to rotation, 0 up to any invertible linear map, between them in part.

    Raises:
        ValueError: alpha outside 0 … 1; other items; a side that does not vary.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> round(shape_distance(x, 2 * x[:, ::-1] + 7), 6)
        0.0
    """
    a, b = paired_rows(x, y, "shape_distance", least=2)
    a, b = (_whitened(centred_rows(s), alpha)[0] for s in (a, b))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    # near identity arccos loses half the digits: sin²(θ/2) = (1 − cos θ)/2 = ‖A R − B‖²/4
    total = float(np.linalg.svd(a.T @ b, compute_uv=False).sum())
    if total < 0.9:
        return float(np.arccos(total))
    wide = max(a.shape[1], b.shape[1])
    a, b = (np.pad(m, ((0, 0), (0, wide - m.shape[1]))) for m in (a, b))
    rotation = _rotation(a.T @ b)
    return float(2 * np.arcsin(min(np.linalg.norm(a @ rotation - b) / 2, 1.0)))


class Procrustes(BaseEstimator):
    """The rotation, scale and shift that bring one representation nearest to another.

    Args:
        scale: whether a factor is fitted as well.
        alpha: of the partial whitening of both sides (see the module); 1 for none.

    Attributes:
        rotation_: (d, e), orthonormal rows or columns; where the fitted rows say nothing of some
            directions (fewer rows than columns), these are moved to zero.
        factor_: the factor.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(50, 3))
        >>> y = 2 * x[:, ::-1] + 7
        >>> bool(np.allclose(Procrustes().fit(x[:30], y[:30]).transform(x[30:]), y[30:]))
        True
    """

    @no_type_check
    def __init__(self, *, scale: bool = True, alpha: float = 1.0) -> None:
        self.scale = scale
        self.alpha = alpha

    def fit(self, x: Any, y: Any) -> Procrustes:
        """Find the rotation.

        Args:
            x: (n, d).
            y: (n, e).

        Raises:
            ValueError: as `shape_distance`.
        """
        a, b = paired_rows(x, y, "Procrustes", least=2)
        self.mean_x_, self.mean_y_ = a.mean(axis=0), b.mean(axis=0)
        (a, self._white_x), (b, self._white_y) = (
            _whitened(centred_rows(s), self.alpha) for s in (a, b)
        )
        d, e = a.shape[1], b.shape[1]
        cross = np.zeros((max(d, e), max(d, e)))
        cross[:d, :e] = a.T @ b
        self.rotation_ = _rotation(cross)[:d, :e]
        power = float(np.sum((a @ self.rotation_) ** 2))
        self.factor_ = (
            float(np.vdot(a @ self.rotation_, b)) / power if self.scale and power else 1.0
        )
        return self

    def transform(self, x: Any) -> Any:
        """Rows of the first side in the space of the second (whitened in part where alpha is below
        1), (m, e).
        """
        check_is_fitted(self)
        rows = (checked_rows(x, "Procrustes: x") - self.mean_x_) @ self._white_x
        return like(self.factor_ * rows @ self.rotation_ + self.mean_y_ @ self._white_y, x)

    def score(self, x: Any, y: Any) -> float:
        """Cosine between the moved rows and the other side's on rows that were not fitted, both
        about the fitted means.

        1 for shapes that agree, about 0 for unrelated ones.
        """
        check_is_fitted(self)
        a, b = paired_rows(x, y, "Procrustes", least=1)
        moved = ((a - self.mean_x_) @ self._white_x) @ self.rotation_
        there = (b - self.mean_y_) @ self._white_y
        below = float(np.linalg.norm(moved) * np.linalg.norm(there))
        return float(np.vdot(moved, there)) / below if below > 0 else 0.0


def _rotation(cross: np.ndarray) -> np.ndarray:
    u, s, vt = np.linalg.svd(cross)
    # where two sides have nothing in common any rotation would do, and rounding would choose it
    known = s > len(cross) * np.finfo(np.float64).eps * s[0]
    return u[:, known] @ vt[known]


def _whitened(x: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Centred rows whitened in part, and the map that did it, (d, d)."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"shape_distance: alpha must be between 0 and 1, got {alpha}")
    if not np.abs(x).max() > 0:
        raise ValueError("shape_distance: one side does not vary; leave that site out")
    if alpha == 1:
        return x, np.eye(x.shape[1])
    w, v = np.linalg.eigh(x.T @ x / len(x))
    keep = w > max(x.shape) * np.finfo(np.float64).eps * w[-1]
    v, w = v[:, keep], w[keep]
    white = alpha * np.eye(x.shape[1]) + (1 - alpha) * (v / np.sqrt(w)) @ v.T
    return x @ white, white
