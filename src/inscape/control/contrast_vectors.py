"""Contrast vectors: one steering vector a layer from rows of two classes, all layers at once.

    difference of means     v = μ₁ − μ₀
    PCA of differences      v ∝ argmax_{‖v‖=1} Σ_pairs (v · (x₁ − x₀))²        uncentred: the mean difference counts
    discriminant            v ∝ Σ⁻¹ (μ₁ − μ₀),  Σ within classes, shrunk as Ledoit and Wolf do
    fitted                  v ∝ the direction that an estimator (a logistic probe, say) learns

A finder gives directions; `calibrated` gives them one length and sign, so that a strength means the
same whoever found them:

    v ← d (μ₁ − μ₀)·d       d unit: adding it once moves the mean of class 0 to that of class 1 along d

Cost: a product of the rows with weights (difference), n² d or d³ a layer (PCA, discriminant), or
the estimator's own fit. Reference: Turner et al. (2023), arXiv:2308.10248; Zou et al. (2023),
arXiv:2310.01405, §3; Rimsky et al. (2023), arXiv:2312.06681.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import clone

from inscape.core.centred import Centred
from inscape.core.discriminant import discriminants
from inscape.core.threads import side_by_side


def difference_of_means(
    x: Float[np.ndarray, "layers n d"], y: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "layers d"]:
    """Mean of class 1 less mean of class 0, at every layer.

    Args:
        x: rows of every layer.
        y: labels 0 and 1.

    Raises:
        ValueError: labels other than 0 and 1, or only one of them.

    Example:
        >>> x = np.array([[[0.0, 1.0], [4.0, 1.0]]])
        >>> difference_of_means(x, np.array([0, 1])).tolist()
        [[4.0, 0.0]]
    """
    _check("difference_of_means", x, y)
    weights = np.where(y == 1, 1 / (y == 1).sum(), -1 / (y == 0).sum())
    return np.stack([weights @ rows.astype(np.float64) for rows in x])


def pca_of_differences(
    x: Float[np.ndarray, "layers n d"], y: Int[np.ndarray, " n"], pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, "layers d"]:
    """Unit direction along which the pairs' differences are largest, at every layer.

    Args:
        x: rows of every layer.
        y: labels 0 and 1.
        pairs: row of class 1 and row of class 0 of each pair.

    Raises:
        ValueError: a pair is not a row of either class, or every difference is zero.
    """
    _check("pca_of_differences", x, y)
    if not len(pairs) or (y[pairs] != [1, 0]).any():
        raise ValueError(
            "pca_of_differences: each pair must be a row of class 1 and a row of class 0, in that "
            "order"
        )

    def top(rows: np.ndarray) -> np.ndarray:
        gaps = rows[pairs[:, 0]].astype(np.float64) - rows[pairs[:, 1]]
        if not gaps.any():
            raise ValueError(
                "pca_of_differences: the two rows of every pair are equal at some layer, so it has "
                "no direction"
            )
        return np.linalg.svd(gaps, full_matrices=False)[2][0]

    return np.stack(side_by_side(top, list(x)))


def discriminant(
    x: Float[np.ndarray, "layers n d"], y: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "layers d"]:
    """Fisher's direction at every layer, with Ledoit and Wolf's shrinkage; see
    `inscape.core.discriminant`.
    """
    _check("discriminant", x, y)

    def one(rows: np.ndarray) -> np.ndarray:
        found = discriminants([Centred.of(rows[y == label].astype(np.float64)) for label in (0, 1)])
        return found.coef[1] - found.coef[0]

    return np.stack(side_by_side(one, list(x)))


def fitted(
    x: Float[np.ndarray, "layers n d"], y: Int[np.ndarray, " n"], estimator: Any, **fit: Any
) -> Float[np.ndarray, "layers d"]:
    """The direction that an estimator learns at every layer.

    Args:
        x: rows of every layer.
        y: labels 0 and 1.
        estimator: unfitted, cloned for each layer; its ``direction_`` or else its ``coef_`` is
            taken.
        fit: handed to each fit (``groups=…``).

    Raises:
        ValueError: the estimator learns no single direction.
    """
    _check("fitted", x, y)
    made = side_by_side(lambda rows: clone(estimator).fit(rows, y, **fit), list(x))
    found = [
        np.squeeze(np.asarray(e.direction_ if hasattr(e, "direction_") else e.coef_)) for e in made
    ]
    if any(d.ndim != 1 for d in found):
        raise ValueError(
            f"fitted: {type(estimator).__name__} learns coefficients of shape {found[0].shape}, "
            "not one direction (d,)"
        )
    return np.stack(found)


def calibrated(
    directions: Float[np.ndarray, "layers d"],
    x: Float[np.ndarray, "layers n d"],
    y: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "layers d"]:
    """Directions with the length and sign of the class means' distance along them.

    Raises:
        ValueError: a direction is zero.

    Example:
        >>> x = np.array([[[0.0, 1.0], [4.0, 1.0]]])
        >>> calibrated(np.array([[-3.0, 0.0]]), x, np.array([0, 1])).tolist()
        [[4.0, -0.0]]
    """
    size = np.linalg.norm(directions, axis=1, keepdims=True)
    if not (size > 0).all():
        raise ValueError(
            f"calibrated: the direction of layer {int(np.argmin(size))} is zero; there is nothing "
            "to steer along"
        )
    unit = directions / size
    return unit * np.einsum("ld,ld->l", unit, difference_of_means(x, y))[:, None]


def _check(caller: str, x: np.ndarray, y: np.ndarray) -> None:
    if len(y) != x.shape[1] or set(np.unique(y).tolist()) != {0, 1}:
        raise ValueError(
            f"{caller}: y must give each of the {x.shape[1]} rows a label, 0 or 1, and hold both"
        )
    if not np.isfinite(x).all():
        raise ValueError(
            f"{caller}: rows hold NaN or infinite numbers; leave those out at every layer"
        )
