"""Threshold inconsistency (OPIS): does one threshold of distance serve every class alike?

    sens_c(t) = share of pairs inside class c at distance ≤ t
    spec_c(t) = share of pairs of an item of c and one of another class at distance > t
    U_c(t)    = 2 sens_c spec_c / (sens_c + spec_c)
    OPIS      = mean over t and c of (U_c(t) − mean_c U_c(t))²

t runs over the thresholds at which between `least` and `most` of all pairs of different classes are
accepted: where such a system would be used. A space that separates classes well on average may
still need another threshold for each. Distances are 1 − cosine.

`contrast` sets the least served share ε of the classes against the best served: the mean over t of
the squared difference of their mean utilities.

Cost: n² d and n² log n; the n × n distances are held.
Reference: Zhang et al. (2024), Threshold-consistent margin loss for open-world deep metric
learning, arXiv:2307.04047, §3 (OPIS over a calibration range).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64

from inscape.core.folds import group_codes
from inscape.core.item_rows import checked_rows


class ThresholdInconsistency(NamedTuple):
    """How unevenly one threshold serves classes.

    Attributes:
        score: OPIS, 0 where every class has the same utility at every threshold.
        contrast: squared difference of the worst and the best served classes.
        thresholds: 1 − cosine, (t,).
        utility: of each class in the order in which classes first appear, (c, t).
    """

    score: float
    contrast: float
    thresholds: Float64[np.ndarray, " t"]
    utility: Float64[np.ndarray, "c t"]


def threshold_inconsistency(
    x: Any,
    labels: Any,
    *,
    least: float = 1e-3,
    most: float = 1e-1,
    share: float = 0.1,
    steps: int = 100,
) -> ThresholdInconsistency:
    """OPIS of a representation.

    Args:
        x: (n, d).
        labels: class of each item; every class needs two items.
        least: share of pairs of different classes accepted at the first threshold.
        most: at the last.
        share: ε, of the classes that `contrast` sets against each other; at least one each.
        steps: thresholds, evenly spaced in distance.

    Raises:
        ValueError: rows of length zero, a class of one item, a single class, shares that are not
            0 < least < most < 1 and 0 < share ≤ 1, or no step.

    Example:
        >>> x = np.repeat(np.eye(3), 4, axis=0)
        >>> threshold_inconsistency(x, np.repeat([0, 1, 2], 4)).score
        0.0
    """
    rows = checked_rows(x, "threshold_inconsistency: x", least=4)
    codes = group_codes(labels, len(rows))
    counts = np.bincount(codes)
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError(
            "threshold_inconsistency: needs at least two classes of at least two items each"
        )
    if not 0 < least < most < 1:
        raise ValueError(
            f"threshold_inconsistency: give 0 < least < most < 1, got {least} and {most}"
        )
    if not 0 < share <= 1 or steps < 1:
        raise ValueError(
            "threshold_inconsistency: share must be above 0 and at most 1, and steps at least 1, "
            f"got {share} and {steps}"
        )
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (length > 0).all():
        raise ValueError("threshold_inconsistency: a row is zero and has no cosine; leave it out")
    distance = 1 - np.clip((rows / length) @ (rows / length).T, -1.0, 1.0)
    same = codes[:, None] == codes
    apart = distance[~same]
    thresholds = np.linspace(*np.quantile(apart, [least, most]), steps)
    utility = np.empty((len(counts), steps))
    for c in range(len(counts)):
        inside = np.flatnonzero(codes == c)
        pairs = np.triu_indices(len(inside), 1)
        accepted = _below(distance[np.ix_(inside, inside)][pairs], thresholds)
        refused = 1 - _below(distance[inside][~same[inside]], thresholds)
        total = accepted + refused
        utility[c] = np.divide(2 * accepted * refused, total, out=np.zeros(steps), where=total > 0)
    score = float(np.mean((utility - utility.mean(axis=0)) ** 2))
    order = np.argsort(utility.mean(axis=1), kind="stable")
    few = max(1, int(share * len(order)))
    gap = utility[order[-few:]].mean(axis=0) - utility[order[:few]].mean(axis=0)
    return ThresholdInconsistency(score, float(np.mean(gap**2)), thresholds, utility)


def _below(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of the values at or below each threshold."""
    return np.searchsorted(np.sort(values), thresholds, side="right") / len(values)
