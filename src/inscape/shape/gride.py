"""Gride: the dimension as a curve over scale, from ratios of distances to the n₁-th and the 2 n₁-th
neighbour.

    p(μ | d) = d (μ^d − 1)^(n₂−n₁−1) / (B(n₂ − n₁, n₁) μ^(d(n₂−1)+1)),     μ = r_n₂ / r_n₁,  n₂ = 2 n₁

maximised for each n₁ = 1, 2, 4 …; n₁ = 1 is the maximum-likelihood TwoNN. A plateau is a dimension,
a fall at small scale is noise. The interval is the likelihood's, as if items were independent;
their neighbourhoods overlap, so it is too short for large n₁.

Cost: n² d for the neighbours, once for all scales.
Reference: Denti et al. (2022), The generalized ratios intrinsic dimension estimator, Scientific
Reports 12, arXiv:2104.13832.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from inscape.core.item_rows import checked_rows
from inscape.shape.neighbour_distances import neighbour_distances


def gride(x: Any, *, most: int = 64) -> pd.DataFrame:
    """Dimension at scales that double.

    Args:
        x: (n, d).
        most: the farthest neighbour that is used; at most n − 1 distinct rows are.

    Returns:
        A row a scale: ``neighbour`` (n₁), ``scale`` (mean distance to the n₂-th), ``dimension``,
        ``low``, ``high``; these three are NaN at a scale where both neighbours of every item are
        equally far, as on a grid or for one-hot rows.

    Raises:
        ValueError: fewer than 3 distinct rows, or `most` below 2.

    Example:
        >>> found = gride(np.random.default_rng(0).normal(size=(500, 2)), most=8)
        >>> found["neighbour"].tolist(), bool((abs(found["dimension"] - 2) < 0.3).all())
        ([1, 2, 4], True)
    """
    if most < 2:
        raise ValueError(f"gride: most must be at least 2, got {most}")
    rows = checked_rows(x, "gride: x", least=3)
    distinct = len(np.unique(rows, axis=0))
    radius = neighbour_distances(rows, max(2, min(most, distinct - 1)), "gride").radius
    out, one = [], 1
    while 2 * one <= radius.shape[1]:
        ratio = np.log(radius[:, 2 * one - 1] / radius[:, one - 1])
        d, reach = _fitted(ratio, one)
        scale = float(radius[:, 2 * one - 1].mean())
        out.append(
            {"neighbour": one, "scale": scale, "dimension": d, "low": d - reach, "high": d + reach}
        )
        one *= 2
    return pd.DataFrame(out)


def _fitted(log_ratio: np.ndarray, one: int) -> tuple[float, float]:
    """The most likely dimension, and 1.96 of its standard error from the likelihood's curvature."""
    positive = log_ratio[log_ratio > 0]
    if not len(positive):
        return float("nan"), float("nan")  # the likelihood has no maximum

    def loss(log_d: float) -> float:
        d = float(np.exp(log_d))
        # log(μ^d − 1) = d log μ + log(1 − μ^−d)
        rest = (one - 1) * (d * positive + np.log(-np.expm1(-d * positive)))
        return float(d * (2 * one - 1) * log_ratio.sum() - rest.sum() - len(log_ratio) * log_d)

    best = float(
        minimize_scalar(loss, bounds=(-5.0, 9.0), method="bounded", options={"xatol": 1e-9}).x
    )
    step = 1e-3
    curve = (loss(best + step) - 2 * loss(best) + loss(best - step)) / step**2
    d = float(np.exp(best))
    return d, 1.96 * d / float(np.sqrt(max(curve, 1e-12)))
