"""Risk and coverage: how many mistakes are left when only the most confident answers are given?

    risk(k) = mistakes among the k most confident / k        AURC = mean over k = 1 … n of risk(k)

Answers of equal confidence are taken in their mean order, so a constant confidence has the risk of
all answers at every coverage. The best possible order puts all mistakes last; AURC less that of the
best order is the excess. Lower is better; AURC depends on the accuracy itself, so compare it on the
same answers only. Cost O(n log n).

Reference: Geifman and El-Yaniv (2017), arXiv:1705.08500; Geifman, Uziel and El-Yaniv (2018),
arXiv:1805.08206 (the excess).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def risk_coverage(
    confidence: Float[np.ndarray, " n"], right: Float[np.ndarray, " _"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Coverage k/n and risk at each k.

    Args:
        confidence: any score, higher for surer.
        right: 1 where right, 0 where wrong.

    Returns:
        Coverage, ascending, and risk, (n,) each.

    Raises:
        ValueError: no rows, not one outcome for each confidence, a confidence that is NaN, or an
            outcome outside [0, 1].

    Example:
        >>> risk_coverage(np.array([0.9, 0.1, 0.5]), np.array([1.0, 0.0, 1.0]))[1].round(2).tolist()
        [0.0, 0.0, 0.33]
    """
    confidence, right = (
        np.asarray(confidence, dtype=np.float64),
        np.asarray(right, dtype=np.float64),
    )
    if len(right) == 0 or confidence.shape != right.shape:
        raise ValueError(
            f"risk_coverage: needs one outcome for each confidence, got {confidence.shape} and "
            f"{right.shape}"
        )
    if np.isnan(confidence).any() or not ((right >= 0) & (right <= 1)).all():
        raise ValueError(
            "risk_coverage: a confidence is NaN, or an outcome is not between 0 (wrong) and 1 (right)"
        )
    _, code, sizes = np.unique(-confidence, return_inverse=True, return_counts=True)
    share = np.bincount(code, weights=1.0 - right) / sizes  # ties are taken in their mean order
    wrong = np.repeat(share, sizes).cumsum()
    k = np.arange(1, len(right) + 1)
    return k / len(right), wrong / k


def aurc(confidence: Float[np.ndarray, " n"], right: Float[np.ndarray, " _"]) -> float:
    """Area under the risk–coverage curve, in [0, 1], lower is better."""
    return float(risk_coverage(confidence, right)[1].mean())


def excess_aurc(confidence: Float[np.ndarray, " n"], right: Float[np.ndarray, " _"]) -> float:
    """AURC less that of the best order of the same answers; zero where no mistake comes before a
    right answer.
    """
    right = np.asarray(right, dtype=np.float64)
    return aurc(confidence, right) - aurc(right, right)
