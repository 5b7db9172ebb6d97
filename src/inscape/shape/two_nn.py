"""TwoNN: the dimension of the surface that rows lie on, from the ratio of two distances.

    μ = r₂ / r₁ (second and first neighbour) has P(μ > m) = m^(−d)
    d: slope of −log(1 − F) on log μ through the origin

F = i/N of the sorted ratios; the largest tenth is left out. Biased low in high dimension (n = 2,000
Gaussian rows: 16 for 20, 33 for 50, 50 for 100), and noise raises it at small scales: a plane with
1 % noise in 100 dimensions reads 12 to 36 as n grows. So take the curve over scales
(`two_nn_curve`, or `inscape.shape.gride`), never one number alone.

Cost: n² d.
Reference: Facco et al. (2017), Scientific Reports 7, arXiv:1803.06992.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from inscape.core.item_rows import checked_rows
from inscape.shape.neighbour_distances import neighbour_distances


def two_nn(x: Any, *, discard: float = 0.1) -> float:
    """The TwoNN estimate at the scale of the sample.

    Args:
        x: (n, d).
        discard: share of the largest ratios that is left out.

    Raises:
        ValueError: fewer than 10 distinct rows, or a share outside [0, 1).

    Example:
        >>> plane = np.random.default_rng(0).normal(size=(1000, 2)) @ np.ones((2, 5))
        >>> bool(abs(two_nn(plane) - 1) < 0.15)
        True
    """
    if not 0 <= discard < 1:
        raise ValueError(f"two_nn: discard must be from 0 up to but not 1, got {discard}")
    radius = neighbour_distances(x, 2, "two_nn").radius
    n = len(radius)
    if n < 10:
        raise ValueError(f"two_nn: {n} distinct rows are too few; give at least 10")
    ratio = np.sort(np.log(radius[:, 1] / radius[:, 0]))
    keep = min(int(np.floor(n * (1 - discard))), n - 1)  # F = 1 has no logarithm
    a, b = ratio[:keep], -np.log1p(-np.arange(1, keep + 1) / n)
    below = float(a @ a)
    if below == 0:
        raise ValueError(
            "two_nn: every row is as near to its second neighbour as to its first (a grid)"
        )
    return float(a @ b) / below


def two_nn_curve(
    x: Any, sizes: Sequence[int], *, repeats: int = 5, rng: np.random.Generator
) -> pd.DataFrame:
    """TwoNN of subsamples: dimension against scale, since fewer rows lie farther apart.

    Args:
        x: (n, d).
        sizes: rows of each subsample, at most n.
        repeats: subsamples of each size; those of one size are disjoint where the rows suffice.
        rng: of the subsamples.

    Returns:
        ``size``, ``dimension`` (mean), ``sd`` over subsamples (missing for one), ``repeats``.

    Raises:
        ValueError: no size, one below 10 or above the number of rows, or no repeat.
    """
    rows = checked_rows(x, "two_nn_curve: x", least=10)
    if not len(sizes) or repeats < 1:
        raise ValueError(
            f"two_nn_curve: needs a size and at least one repeat, got {list(sizes)} and {repeats}"
        )
    if min(sizes) < 10:
        raise ValueError(f"two_nn_curve: a subsample of {min(sizes)} is too few; give at least 10")
    if max(sizes) > len(rows):
        raise ValueError(f"two_nn_curve: a subsample of {max(sizes)} was asked of {len(rows)} rows")
    out = []
    for size in sizes:
        count = min(repeats, max(1, len(rows) // size))
        order = rng.permutation(len(rows))
        found = [two_nn(rows[order[i * size : (i + 1) * size]]) for i in range(count)]
        sd = float(np.std(found, ddof=1)) if count > 1 else float("nan")
        out.append({"size": size, "dimension": float(np.mean(found)), "sd": sd, "repeats": count})
    return pd.DataFrame(out)
