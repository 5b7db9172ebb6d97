"""Overlap: how much do the directions of many features interfere in a space of few dimensions?

    overlap = mean over pairs i ≠ j of (ŵ_i · ŵ_j)²  =  (‖Ŵᵀ Ŵ‖² − n) / (n (n − 1))

with Ŵ the n directions at unit length. Random directions in m dimensions have 1/m on average, and
no n of them can have less than (n − m) / (m (n − 1)), Welch's bound, which a tight frame reaches.

Cost: n m² multiplications; the n × n cosines are never formed.
Reference: Welch (1974), IEEE Transactions on Information Theory 20; Liu, Liu and Gore (2025),
arXiv:2505.10465, for the measure of a language model's unembedding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from inscape.core.item_rows import checked_rows

#: rows whose products are summed at a time
_ROWS = 8192


class Overlap(NamedTuple):
    """How directions share a space.

    Attributes:
        overlap: mean squared cosine of two directions.
        times_width: the same, times the dimensions; 1 for random directions.
        long: share of directions longer than half the mean length.
        spread: standard deviation of the lengths over their mean.
    """

    overlap: float
    times_width: float
    long: float
    spread: float


def overlap(directions: Any) -> Overlap:
    """How many directions share a space.

    Args:
        directions: one a feature, (n, m): columns of an encoder, rows of an unembedding. Those
            without length are left out of the cosines.

    Raises:
        ValueError: fewer than two directions have a length.

    Example:
        >>> round(overlap(np.repeat(np.eye(4), 3, axis=0)).overlap, 3)
        0.182
    """
    w = checked_rows(directions, "overlap: directions")
    length = np.linalg.norm(w, axis=1)
    there = np.flatnonzero(length)
    if (n := len(there)) < 2:
        raise ValueError("overlap: needs at least two directions with a length")
    gram = np.zeros((w.shape[1], w.shape[1]))
    for start in range(0, n, _ROWS):
        rows = there[start : start + _ROWS]
        unit = w[rows] / length[rows, None]
        gram += unit.T @ unit
    found = max(float((gram**2).sum() - n) / (n * (n - 1)), 0.0)
    mean = float(length.mean())
    long = float((length > mean / 2).mean())
    return Overlap(found, found * w.shape[1], long, float(length.std()) / mean)
