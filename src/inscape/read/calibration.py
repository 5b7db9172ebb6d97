"""Calibration: is a confidence of 0.8 right eight times in ten?

    ECE = Σ_b (n_b / n) |acc_b − conf_b|          Brier = mean (p − y)²

over bins of equal width or of equal mass. ECE is biased upwards: in a bin of n_b samples even a
calibrated confidence is off by about √(acc (1 − acc) / n_b), so it grows with the number of bins
and shrinks with the samples; two ECEs compare only at the same bins and n. The squared error has an
unbiased form, which may be negative:

    CE² = Σ_b (n_b / n) [(acc_b − conf_b)² − acc_b (1 − acc_b) / (n_b − 1)]

Temperature scaling divides the log-odds by one number fitted on other rows; it changes no ranking.
Platt scaling adds a second, so that a confidence that is too high everywhere can be mended too.
Cost O(n log n).

Reference: Guo et al. (2017), arXiv:1706.04599 (ECE, temperature); Nixon et al. (2019),
arXiv:1904.01685 (equal mass); Kumar, Liang and Ma (2019), arXiv:1909.10155, §4.1 (the debiased
form); Brier (1950); Platt (1999), Advances in large margin classifiers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit


def bin_of(p: Float[np.ndarray, " n"], bins: int = 10, by: str = "width") -> Int[np.ndarray, " n"]:
    """The bin of each confidence, 0 … bins − 1; with equal mass, equal confidences share a bin.

    Raises:
        ValueError: an unknown way of binning, no bins, or confidences outside [0, 1].
    """
    if bins < 1:
        raise ValueError(f"bin_of: bins must be at least 1, got {bins}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("bin_of: confidences must lie between 0 and 1; pass probabilities")
    if by == "width":
        return np.minimum((p * bins).astype(np.int64), bins - 1)
    if by != "mass":
        raise ValueError(f"bin_of: by must be 'width' or 'mass', got {by!r}")
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, p, side="right")


def reliability(
    p: Float[np.ndarray, " n"], y: Float[np.ndarray, " _"], bins: int = 10, by: str = "width"
) -> pd.DataFrame:
    """One row for each bin that holds something: ``confidence``, ``accuracy`` (means), ``n``.

    Args:
        p: confidences in [0, 1].
        y: 1 where right, 0 where wrong.
        bins: how many.
        by: equal width or equal mass.

    Raises:
        ValueError: confidences outside [0, 1], outcomes that are not 0 or 1, or no rows.
    """
    confidence, accuracy, n = _binned("reliability", p, y, bins, by)
    return pd.DataFrame({"confidence": confidence, "accuracy": accuracy, "n": n.astype(np.int64)})


def ece(
    p: Float[np.ndarray, " n"], y: Float[np.ndarray, " _"], bins: int = 10, by: str = "width"
) -> float:
    """Expected calibration error, in [0, 1], lower is better; biased upwards (see the module).

    Example:
        >>> ece(np.array([0.75, 0.75, 0.75, 0.75]), np.array([1.0, 1.0, 1.0, 0.0]))
        0.0
    """
    confidence, accuracy, n = _binned("ece", p, y, bins, by)
    return float((n * np.abs(accuracy - confidence)).sum() / n.sum())


def debiased_square(
    p: Float[np.ndarray, " n"], y: Float[np.ndarray, " _"], bins: int = 10, by: str = "mass"
) -> float:
    """Unbiased estimate of the binned squared calibration error; negative by chance where that is
    near zero.

    Bins of a single sample have no variance to subtract and are left out.
    """
    confidence, accuracy, n = _binned("debiased_square", p, y, bins, by)
    several = n > 1
    if not several.any():
        return float("nan")
    confidence, accuracy, n = confidence[several], accuracy[several], n[several]
    noise = accuracy * (1 - accuracy) / (n - 1)
    return float((n * ((accuracy - confidence) ** 2 - noise)).sum() / n.sum())


def brier(p: Float[np.ndarray, " n"], y: Float[np.ndarray, " _"]) -> float:
    """Mean squared difference of confidence and outcome, in [0, 1]; a proper score, lower is
    better.
    """
    p, y = _checked("brier", p, y)
    return float(((p - y) ** 2).mean())


@dataclass(frozen=True)
class Temperature:
    """``p ↦ σ(logit(p) / t)``.

    Attributes:
        t: above 1 makes confidences more modest.
    """

    t: float

    @classmethod
    def fit(cls, p: Float[np.ndarray, " n"], y: Float[np.ndarray, " _"]) -> Temperature:
        """The temperature with the least log loss on rows that were kept for it.

        Args:
            p: confidences.
            y: 1 where right, 0 where wrong.
        """
        p, y = _checked("Temperature.fit", p, y)
        odds = _odds(p)

        def loss(log_t: float) -> float:
            eta = odds / np.exp(log_t)
            return float((np.logaddexp(0.0, eta) - y * eta).mean())

        return cls(float(np.exp(minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded").x)))

    def __call__(self, p: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return expit(_odds(np.asarray(p, dtype=np.float64)) / self.t)


@dataclass(frozen=True)
class Platt:
    """``p ↦ σ(slope · logit(p) + offset)``.

    Attributes:
        slope: below 1 makes confidences more modest; below 0 it turns their order round.
        offset: log-odds where the confidence is one half.
    """

    slope: float
    offset: float

    @classmethod
    def fit(cls, p: Float[np.ndarray, " n"], y: Float[np.ndarray, " _"]) -> Platt:
        """The two numbers with the least log loss on rows that were kept for it. Outcomes are
        ``(n₊ + 1) / (n₊ + 2)`` and ``1 / (n₋ + 2)`` as in Platt's paper, so that both stay finite.

        Args:
            p: confidences.
            y: 1 where right, 0 where wrong.

        Example:
            >>> p, y = np.array([0.5, 0.5, 0.5, 0.5]), np.array([1.0, 1.0, 1.0, 0.0])
            >>> float(Platt.fit(p, y)(np.array([0.5]))[0].round(3))
            0.683
        """
        p, y = _checked("Platt.fit", p, y)
        odds, up = _odds(p), float(y.sum())
        goal = np.where(y == 1, (up + 1) / (up + 2), 1 / (len(y) - up + 2))

        def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
            eta = numbers[0] * odds + numbers[1]
            rest = expit(eta) - goal
            value = float((np.logaddexp(0.0, eta) - goal * eta).mean())
            return value, np.array([(rest * odds).mean(), rest.mean()])

        slope, offset = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
        return cls(float(slope), float(offset))

    def __call__(self, p: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return expit(self.slope * _odds(np.asarray(p, dtype=np.float64)) + self.offset)


def _binned(
    caller: str, p: np.ndarray, y: np.ndarray, bins: int, by: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean confidence, share that is right and count of every bin that holds something."""
    p, y = _checked(caller, p, y)
    code = bin_of(p, bins, by)
    n = np.bincount(code, minlength=bins).astype(np.float64)
    full = n > 0
    sums = (np.bincount(code, weights=v, minlength=bins)[full] / n[full] for v in (p, y))
    return *sums, n[full]  # type: ignore[return-value]


def _odds(p: np.ndarray) -> np.ndarray:
    return logit(np.clip(p, 1e-12, 1 - 1e-12))  # a confidence of exactly one has no finite odds


def _checked(caller: str, p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, y = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if p.ndim != 1 or len(p) == 0 or p.shape != y.shape:
        raise ValueError(
            f"{caller}: needs one outcome for each confidence, got shapes {p.shape} and {y.shape}"
        )
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(
            f"{caller}: confidences must lie between 0 and 1; pass probabilities, not scores"
        )
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError(f"{caller}: outcomes must be 0 or 1")
    return p, y
