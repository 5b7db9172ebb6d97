"""Ridge for a whole family of questions from one eigenbasis.

For training rows X (centred), all targets, all shuffles of them and all penalties share one
eigendecomposition

    XᵀX = V diag(w) Vᵀ,   Z = X V,   ŷ(α) = ȳ + Z diag(1/(w+α)) Zᵀ(y − ȳ)

of the d×d Gram matrix, or of the n×n one when n < d. Gram matrices are made once for all rows and
lose the held-out fold's part. The penalty is chosen per column from held-out errors in closed form:
for held-out rows g, with H(α) = 11ᵀ/n + Z diag(1/(w+α)) Zᵀ,

    e_g = (I − H_gg)⁻¹ (y_g − ŷ_g)

which is leave-one-out (what scikit-learn's `RidgeCV` does) when g is one row and leave-group-out
when it is a fold of groups: exact, nothing refitted. When g has more rows than there are
directions, the same by Woodbury's identity.

NumPy alone does the linear algebra: SciPy brings its own BLAS threads, and two pools that wait for
each other by spinning made the same work ten times slower.

Cost per fold: d³ for the eigenbasis, n d² for Z, A n d T for A penalties and T columns.
Reference: Golub, Heath and Wahba (1979), Technometrics 21; Rifkin and Lippert (2007), Notes on
regularized least squares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from jaxtyping import Float, Int

from inscape.core.moments import Moments

#: penalties for features of unit root-mean-square deviation
ALPHAS = tuple(np.logspace(-3, 6, 10).tolist())


@dataclass(frozen=True)
class Basis:
    """Training rows in the eigenbasis of their own scatter.

    Attributes:
        z: training rows, (n, r); columns are orthogonal with squared norms `w`.
        w: eigenvalues above rounding, (r,).
        v: directions in the representation, (d, r), orthonormal columns.
        mean: mean training row, (d,).
        rms: root-mean-square deviation of one feature; what ``scale="rms"`` divides by.
    """

    z: Float[np.ndarray, "n r"]
    w: Float[np.ndarray, " r"]
    v: Float[np.ndarray, "d r"]
    mean: Float[np.ndarray, " d"]
    rms: float

    def project(self, x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m r"]:
        """Other rows in the same basis."""
        return (x - self.mean) @ self.v


class Rows:
    """All rows of one representation, from which the basis of any training part is made.

    Args:
        x: rows, (n, d).
    """

    def __init__(self, x: Float[np.ndarray, "n d"]) -> None:
        # the shift makes the later subtraction of Gram matrices exact to rounding; it cancels in
        # every result
        self.shift = x.mean(axis=0, dtype=np.float64)
        self.x = x.astype(np.float64) - self.shift
        self._moments: Moments | None = None
        self._gram: np.ndarray | None = None
        self._lock = Lock()  # folds may come from several threads; the shared part is made once

    def basis(self, train: Int[np.ndarray, " m"] | None = None) -> Basis:
        """The eigenbasis of the training rows (all rows by default)."""
        n, d = self.x.shape
        kept = np.arange(n) if train is None else train
        return self._primal(kept) if len(kept) > d else self._dual(kept)

    def project(self, basis: Basis, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m r"]:
        """Some of the rows in a basis."""
        return (self.x[rows] - (basis.mean - self.shift)) @ basis.v

    def _primal(self, train: np.ndarray) -> Basis:
        n = len(self.x)
        with self._lock:
            if self._moments is None:
                self._moments = Moments.of(self.x)
        moments = self._moments
        if len(train) < n:
            out = np.setdiff1d(np.arange(n), train, assume_unique=True)
            moments = (
                moments - Moments.of(self.x[out])
                if len(out) < len(train)
                else Moments.of(self.x[train])
            )
        w, v = np.linalg.eigh(moments.scatter)
        keep = w > _floor(w, n)
        v = np.ascontiguousarray(v[:, keep])
        return Basis(
            (self.x[train] - moments.mean) @ v,
            w[keep],
            v,
            moments.mean + self.shift,
            _rms(w, len(train), len(v)),
        )

    def _dual(self, train: np.ndarray) -> Basis:
        with self._lock:
            if self._gram is None:
                self._gram = self.x @ self.x.T
        gram = self._gram[np.ix_(train, train)]
        row = gram.mean(axis=0)
        w, u = np.linalg.eigh(gram - row - row[:, None] + row.mean())
        keep = w > _floor(w, len(train))
        w, u = w[keep], u[:, keep]
        mean = self.x[train].mean(axis=0)
        z = u * np.sqrt(w)
        v = (self.x[train] - mean).T @ (u / np.sqrt(w))
        return Basis(z, w, v, mean + self.shift, _rms(w, len(train), self.x.shape[1]))


@dataclass(frozen=True)
class Fit:
    """Ridge fits of T columns in one basis.

    Attributes:
        coef: coefficients in the basis, (r, T).
        mean: training mean of each column, (T,): the prediction at the mean row.
        alpha: the chosen penalty of each column, as it enters the formula, (T,).
        index: its place in the grid, (T,).
        inner: inner held-out R² at the chosen penalty, (T,), against predicting the inner training
            mean.
        errors: inner held-out sum of squared errors, (A, T).
    """

    coef: Float[np.ndarray, "r t"]
    mean: Float[np.ndarray, " t"]
    alpha: Float[np.ndarray, " t"]
    index: Int[np.ndarray, " t"]
    inner: Float[np.ndarray, " t"]
    errors: Float[np.ndarray, "a t"]

    def predict(self, z: Float[np.ndarray, "m r"]) -> Float[np.ndarray, "m t"]:
        """Predictions for rows in the basis."""
        return z @ self.coef + self.mean


def fit(
    basis: Basis,
    y: Float[np.ndarray, "n t"],
    alphas: Sequence[float] | np.ndarray = ALPHAS,
    *,
    inner: Sequence[np.ndarray] | None = None,
    scale: bool = True,
    shared: bool = False,
) -> Fit:
    """Fit every column of `y`, each with the penalty that predicts best inside the training rows.

    Args:
        basis: the training rows.
        y: targets, shuffled or not, (n, T).
        alphas: the grid of penalties, positive.
        inner: rows of each inner fold; None for leave-one-out.
        scale: multiply the penalties by the mean squared deviation of a feature, which makes the
            probe the same whatever unit the representation is in.
        shared: one penalty for all columns (least summed error) instead of one each.

    Returns:
        The fits.
    """
    penalties = check_alphas(alphas) * (basis.rms**2 if scale and basis.rms > 0 else 1.0)
    y = y.astype(np.float64)
    mean = y.mean(axis=0)
    centred = y - mean
    c = basis.z.T @ centred
    folds = None if inner is None else [np.asarray(g) for g in inner]
    if folds is None:
        errors, base = _leave_one_out(basis, centred, c, penalties)
    else:
        errors, base = _leave_group_out(basis, centred, c, penalties, folds)
    index = np.full(y.shape[1], errors.sum(axis=1).argmin()) if shared else errors.argmin(axis=0)
    alpha = penalties[index]
    chosen = errors[index, np.arange(y.shape[1])]
    score = 1.0 - np.divide(chosen, base, out=np.ones_like(base), where=base > 0)
    return Fit(c / (basis.w[:, None] + alpha), mean, alpha, index, score, errors)


def check_alphas(alphas: Sequence[float] | np.ndarray) -> Float[np.ndarray, " a"]:
    """The penalties as an array; refused unless positive and finite."""
    grid = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    if grid.ndim != 1 or grid.size == 0 or not np.isfinite(grid).all() or (grid <= 0).any():
        raise ValueError(f"alphas must be positive numbers, got {np.asarray(alphas).tolist()}")
    return grid


def _leave_one_out(
    basis: Basis, y: np.ndarray, c: np.ndarray, penalties: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n = len(y)
    leverage = 1.0 / n + (basis.z**2) @ (1.0 / (basis.w[:, None] + penalties))  # (n, A)
    # a row that alone fixes a direction has leverage 1 and no held-out prediction: a huge error,
    # not a division by zero
    rest = np.maximum(1.0 - leverage, np.finfo(np.float64).eps)
    errors = np.empty((len(penalties), y.shape[1]))
    for i, alpha in enumerate(penalties):
        residual = y - basis.z @ (c / (basis.w[:, None] + alpha))
        errors[i] = np.einsum("nt,nt->t", residual * (rest[:, i, None] ** -2), residual)
    return errors, (y**2).sum(axis=0) * (n / (n - 1.0)) ** 2


def _leave_group_out(
    basis: Basis, y: np.ndarray, c: np.ndarray, penalties: np.ndarray, folds: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    n = len(y)
    errors, base = np.zeros((len(penalties), y.shape[1])), np.zeros(y.shape[1])
    for rows in folds:
        z, target, m = basis.z[rows], y[rows], len(rows)
        base += ((target + target.sum(axis=0) / (n - m)) ** 2).sum(axis=0)
        wide = np.hstack([np.ones((m, 1)), z])
        gram = wide.T @ wide if m > wide.shape[1] else None
        for i, alpha in enumerate(penalties):
            weight = np.concatenate([[1.0 / n], 1.0 / (basis.w + alpha)])
            residual = target - z @ (weight[1:, None] * c)
            errors[i] += (_held_out(wide, gram, weight, residual) ** 2).sum(axis=0)
    return errors, base


def _held_out(
    wide: np.ndarray, gram: np.ndarray | None, weight: np.ndarray, residual: np.ndarray
) -> np.ndarray:
    """``(I − U D Uᵀ)⁻¹ r``: in the rows, or ``r + U (D⁻¹ − UᵀU)⁻¹ Uᵀ r`` in the directions,
    whichever are fewer.
    """
    if gram is None:
        matrix = -(wide * weight) @ wide.T
        matrix[np.diag_indices_from(matrix)] += 1.0
        return np.linalg.solve(matrix, residual)
    inside = np.diag(1.0 / weight) - gram
    return residual + wide @ np.linalg.solve(inside, wide.T @ residual)


def _floor(w: np.ndarray, n: int) -> float:
    return max(n, len(w)) * np.finfo(np.float64).eps * max(float(w[-1]), 0.0)


def _rms(w: np.ndarray, n: int, d: int) -> float:
    return float(np.sqrt(max(float(w.sum()), 0.0) / (n * d)))
