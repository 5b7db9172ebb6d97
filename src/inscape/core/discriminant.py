"""Linear discriminants of any number of classes, from the moments of each class alone.

    score_c(x) = μ_c·W⁻¹x − ½ μ_c·W⁻¹μ_c + log π_c        W = (1 − s) Σ/n + s (tr Σ / n d) I,   Σ scatter within classes

s is the shrinkage; with s = 0 and fewer rows than directions W⁻¹ is the pseudo-inverse: directions
along which no class varies are left out, not blown up. Moments add (`inscape.core.centred`), so
rows may stream by, or never be held.

Cost: d³ once, d² for each class.
Reference: Hastie, Tibshirani and Friedman (2009), The elements of statistical learning, §4.3;
Ledoit and Wolf (2004), J. Multivariate Anal. 88.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from inscape.core.centred import Centred


class Discriminants(NamedTuple):
    """One linear score a class: x belongs to the class whose score is largest.

    Attributes:
        coef: W⁻¹μ_c about the mean of all, (k, d).
        intercept: (k,).
        means: class means, (k, d).
        shrinkage: the weight of the sphere that was used.
    """

    coef: Float[np.ndarray, "k d"]
    intercept: Float[np.ndarray, " k"]
    means: Float[np.ndarray, "k d"]
    shrinkage: float


def discriminants(
    classes: Sequence[Centred], shrinkage: float | Literal["auto"] = "auto"
) -> Discriminants:
    """Fisher's discriminants.

    Args:
        classes: moments of each class's rows.
        shrinkage: weight of the spherical covariance, 0 to 1, or ``"auto"`` for Ledoit and Wolf's.

    Returns:
        The scores' coefficients.

    Raises:
        ValueError: fewer than two classes, widths that differ, or a shrinkage outside 0 … 1.

    Example:
        >>> x = np.array([[0.0, 1.0], [0.0, -1.0]])
        >>> found = discriminants([Centred.of(x), Centred.of(x + [4.0, 0.0])], shrinkage=1.0)
        >>> (found.coef[1] - found.coef[0]).tolist()
        [8.0, 0.0]
    """
    if len(classes) < 2 or len({len(c.mean) for c in classes}) != 1:
        raise ValueError(
            "discriminants: needs the moments of at least two classes, all of one width"
        )
    n, d = sum(c.n for c in classes), len(classes[0].mean)
    within = sum((c.scatter for c in classes[1:]), classes[0].scatter) / n
    sphere = float(np.trace(within)) / d
    quartic = sum(c.quartic for c in classes)
    weight = ledoit_wolf(within, sphere, n, quartic) if shrinkage == "auto" else float(shrinkage)
    if not 0 <= weight <= 1:
        raise ValueError(
            f"discriminants: shrinkage must be 'auto' or between 0 and 1, got {shrinkage!r}"
        )
    within = (1 - weight) * within
    within[np.diag_indices(d)] += weight * sphere
    counts = np.array([c.n for c in classes])
    means = np.stack([c.mean for c in classes])
    middle = (
        counts @ means / n
    )  # scores about the mean of all rows keep their digits wherever the origin is
    coef = (_pseudo_inverse(within, n) @ (means - middle).T).T
    intercept = (
        np.log(counts / n) - 0.5 * np.einsum("kd,kd->k", coef, means - middle) - coef @ middle
    )
    return Discriminants(coef, intercept, means, weight)


def ledoit_wolf(
    covariance: Float[np.ndarray, "d d"], sphere: float, n: int, quartic: float
) -> float:
    """Ledoit and Wolf's weight of the sphere, min(β, δ)/δ, from moments.

    Args:
        covariance: of the rows about their class means, divided by n.
        sphere: mean of its diagonal.
        n: rows.
        quartic: sum of the fourth powers of the centred rows' norms.
    """
    d = len(covariance)
    square = float(np.sum(covariance**2))
    delta = (square - d * sphere**2) / d
    if d == 1 or delta <= 0:
        return 0.0
    return float(np.clip((quartic / n - square) / (d * n), 0.0, delta) / delta)


def _pseudo_inverse(matrix: np.ndarray, n: int) -> np.ndarray:
    w, v = np.linalg.eigh(matrix)
    floor = max(n, len(w)) * np.finfo(np.float64).eps * max(float(w[-1]), 0.0)
    keep = w > floor
    return (v[:, keep] / w[keep]) @ v[:, keep].T
