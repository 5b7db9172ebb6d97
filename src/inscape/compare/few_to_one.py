"""Few to one: how many units of one network does it take to predict a unit of another?

    w = argmin ‖y_j − X w‖² / 2n + λ ‖w‖₁           units of both sides standardised on the fitted rows

Over penalties λ this draws a curve: units used (w ≠ 0) against R² on held-out rows. Where one unit
does as well as all, the two networks have the same unit; where many are needed, they have the same
space and other axes.

Cost: n d² for the Gram matrix, then O(d²) a pass of coordinate descent for each unit and penalty.
Reference: Li et al. (2016), Convergent learning, arXiv:1511.07543, §4; Tibshirani (1996), JRSS B
58.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from inscape.compare.paired_rows import paired_rows


class FewToOne(NamedTuple):
    """What a sparse map needs and reaches.

    Attributes:
        units: units of x that predict each unit of y, (penalties, e).
        r2: of each unit of y on held-out rows, (penalties, e).
    """

    units: Float64[np.ndarray, "p e"]
    r2: Float64[np.ndarray, "p e"]

    def curve(self) -> list[tuple[float, float]]:
        """Units used and R² at each penalty, both as the mean over the units of y."""
        return list(zip(self.units.mean(axis=1), self.r2.mean(axis=1), strict=True))


def few_to_one(
    x: tuple[Any, Any],
    y: tuple[Any, Any],
    penalties: Sequence[float] = (0.3, 0.1, 0.03, 0.01),
    *,
    most: int | None = None,
    rng: np.random.Generator | None = None,
) -> FewToOne:
    """Predict each unit of `y` from few units of `x`.

    Args:
        x: rows to fit on and rows to score on, (n, d) and (m, d).
        y: the same items, (n, e) and (m, e).
        penalties: λ, falling, in units of the standard deviation of a unit.
        most: fit on so many rows at most, and score on as many, both drawn at random; None for all.
        rng: of that draw.

    Returns:
        Units used and R². A unit that does not vary on the fitted rows predicts nothing, and its
        own R² is 0.

    Raises:
        ValueError: other items, no penalty or penalties that do not fall, rows to draw without a
            generator or fewer than 4, or rows to score on of another width.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(300, 4))
        >>> y = x[:, [2]] + 0.5 * x[:, [0]]
        >>> found = few_to_one((x[:200], x[200:]), (y[:200], y[200:]), [0.5, 0.01])
        >>> found.units.ravel().tolist(), bool(found.r2[1, 0] > 0.99)
        ([1.0, 2.0], True)
    """
    if list(penalties) != sorted(penalties, reverse=True) or min(penalties, default=0) <= 0:
        raise ValueError(f"few_to_one: penalties must fall and be above 0, got {list(penalties)}")
    if most is not None and rng is None:
        raise ValueError("few_to_one: give rng, from which the rows are drawn")
    parts = [paired_rows(*sides, "few_to_one") for sides in zip(x, y, strict=True)]
    if (widths := [[side.shape[1] for side in part] for part in parts])[0] != widths[1]:
        raise ValueError(
            f"few_to_one: units fitted are {widths[0][0]} and {widths[0][1]}, and units scored on "
            f"{widths[1][0]} and {widths[1][1]}; give the same"
        )
    if most is not None and most < 4:
        raise ValueError(f"few_to_one: most must be at least 4 rows, got {most}")
    if most is not None and rng is not None:
        drawn = [rng.permutation(len(first))[:most] for first, _ in parts]
        parts = [(i[rows], j[rows]) for (i, j), rows in zip(parts, drawn, strict=True)]
    (a, b), (at, bt) = parts
    (a, at), (b, bt) = _standardised(a, at), _standardised(b, bt)
    gram = a.T @ a
    with warnings.catch_warnings():  # at the smallest penalties the last digits may be missing
        warnings.simplefilter("ignore", ConvergenceWarning)
        paths = [lasso_path(a, unit, alphas=penalties, precompute=gram)[1] for unit in b.T]
    weights = np.stack(paths)  # (e, d, penalties)
    lost = ((bt[..., None] - np.einsum("md,edp->mep", at, weights)) ** 2).sum(axis=0)
    whole = ((bt - bt.mean(axis=0)) ** 2).sum(axis=0)[:, None]
    r2 = 1 - np.divide(lost, whole, out=np.ones_like(lost), where=whole > 0)
    return FewToOne((weights != 0).sum(axis=1).T.astype(np.float64), r2.T)


def _standardised(fit: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, sd = fit.mean(axis=0), fit.std(axis=0)
    scale = np.divide(1.0, sd, out=np.zeros_like(sd), where=sd > 0)
    return (fit - mean) * scale, (other - mean) * scale
