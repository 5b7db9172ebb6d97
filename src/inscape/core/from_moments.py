"""Linear methods from moments alone: ridge for every penalty, its errors on other rows, mass-mean
and LDA directions.

    ridge        β(α) = (Σ + αI)⁻¹ C,   Σ = Σ(x − x̄)(x − x̄)ᵀ,   C = Σ(x − x̄)(y − ȳ)ᵀ
    its errors   Σ (y − ŷ)² = S_yy − 2 β·C + βᵀΣβ + n (ȳ − β·x̄ − b)²     of any rows whose moments are kept
    mass mean    θ = μ₁ − μ₀,   or with `lda`  θ = W⁻¹(μ₁ − μ₀), W within classes

The results are those of the estimators on the rows themselves. Moments cannot say what one row left
out would do, so a penalty is chosen on the moments of other rows: keep them apart by part (or
fold), add all but one, score on that one.

Cost: d³ for one eigenbasis, d² for each penalty and target.
Reference: Hastie, Tibshirani and Friedman (2009), The elements of statistical learning, §3.4, §4.3;
Ledoit and Wolf (2004), A well-conditioned estimator for large-dimensional covariance matrices, J.
Multivariate Anal. 88.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from inscape.core.centred import Centred
from inscape.core.joint import Joint
from inscape.core.ridge import ALPHAS, check_alphas


class RidgePath(NamedTuple):
    """Ridge fits for every penalty.

    Attributes:
        alphas: penalties as they enter the formula, (A,).
        coef: (A, targets, d), in the unit of y per unit of x.
        intercept: (A, targets).
    """

    alphas: Float[np.ndarray, " a"]
    coef: Float[np.ndarray, "a t d"]
    intercept: Float[np.ndarray, "a t"]


class Discriminant(NamedTuple):
    """A direction and a threshold: score(x) = coef · x + intercept, positive for the second class.

    Attributes:
        coef: (d,).
        intercept: the constant.
    """

    coef: Float[np.ndarray, " d"]
    intercept: float


def ridge_from_moments(
    x: Centred, xy: Joint, alphas: Sequence[float] | np.ndarray = ALPHAS, *, scale: bool = True
) -> RidgePath:
    """Ridge coefficients for every penalty of a grid.

    Args:
        x: moments of the representation.
        xy: its cross-moments with the targets, over the same rows.
        alphas: penalties, positive.
        scale: multiply the penalties by the mean squared deviation of a feature, as `RidgeProbe`
            does by default.

    Returns:
        One fit a penalty.

    Raises:
        ValueError: moments of different rows, or a penalty that is not positive.
    """
    if x.n != xy.n or len(x.mean) != len(xy.mean_x):
        raise ValueError(
            f"ridge_from_moments: {x.n} rows of {len(x.mean)} and {xy.n} of {len(xy.mean_x)} "
            "numbers are not one set; give the moments of the same rows"
        )
    rms = x.trace / (x.n * len(x.mean))
    penalties = check_alphas(alphas) * (rms if scale and rms > 0 else 1.0)
    w, v = np.linalg.eigh(x.scatter)
    # directions below rounding hold no data, only noise that a small penalty would blow up
    keep = w > max(x.n, len(w)) * np.finfo(np.float64).eps * max(float(w[-1]), 0.0)
    v, w = v[:, keep], w[keep]
    inside = v.T @ xy.cross
    coef = np.stack([(v @ (inside / (w[:, None] + alpha))).T for alpha in penalties])
    return RidgePath(penalties, coef, xy.mean_y - coef @ x.mean)


def squared_errors(fit: RidgePath, x: Centred, xy: Joint, y: Centred) -> Float[np.ndarray, "a t"]:
    """Σ (y − ŷ)² of every penalty and target over the rows that the moments are of; over
    ``diag(y.scatter)`` it is 1 − R².

    Args:
        fit: fitted on any rows.
        x: moments of the representation over the rows to score.
        xy: its cross-moments with the targets there.
        y: moments of the targets there.
    """
    bias = y.mean - fit.coef @ x.mean - fit.intercept
    explained = np.einsum("atd,dt->at", fit.coef, xy.cross)
    power = np.einsum("atd,atd->at", fit.coef @ x.scatter, fit.coef)
    return np.diag(y.scatter) - 2 * explained + power + x.n * bias**2


def mass_mean_from_moments(
    first: Centred,
    second: Centred,
    *,
    lda: bool = False,
    shrinkage: float | Literal["auto"] = "auto",
) -> Discriminant:
    """The direction from one class's mean to the other's, plain or whitened by the covariance
    within classes.

    Args:
        first: moments of the class that scores negative.
        second: moments of the class that scores positive.
        lda: whiten.
        shrinkage: weight of the spherical covariance, 0 to 1, or ``"auto"`` for Ledoit and Wolf's.

    Returns:
        What `MassMeanProbe` learns from the rows.

    Raises:
        ValueError: a shrinkage outside 0 … 1.
    """
    difference, offset = second.mean - first.mean, 0.0
    if lda:
        difference = np.linalg.lstsq(_within(first, second, shrinkage), difference, rcond=None)[0]
        offset = float(np.log(second.n / first.n))
    return Discriminant(difference, offset - float(difference @ (first.mean + second.mean)) / 2)


def _within(first: Centred, second: Centred, shrinkage: float | Literal["auto"]) -> np.ndarray:
    n, d = first.n + second.n, len(first.mean)
    covariance = (first.scatter + second.scatter) / n
    sphere = float(np.trace(covariance)) / d
    if shrinkage == "auto":
        weight = _ledoit_wolf(covariance, sphere, n, first.quartic + second.quartic)
    else:
        weight = float(shrinkage)
    if not 0 <= weight <= 1:
        raise ValueError(
            "mass_mean_from_moments: shrinkage must be 'auto' or between 0 and 1, got "
            f"{shrinkage!r}"
        )
    covariance *= 1 - weight
    covariance[np.diag_indices_from(covariance)] += weight * sphere
    return covariance


def _ledoit_wolf(covariance: np.ndarray, sphere: float, n: int, quartic: float) -> float:
    """min(β, δ)/δ: δ how far the covariance is from the sphere, β how far it is from the truth by
    chance.
    """
    d = len(covariance)
    if d == 1:
        return 0.0
    square = float(np.sum(covariance**2))
    delta = (square - d * sphere**2) / d
    beta = min((quartic / n - square) / (d * n), delta)
    return 0.0 if beta == 0 else beta / delta
