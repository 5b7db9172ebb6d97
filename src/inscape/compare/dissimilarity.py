"""Dissimilarity matrices: how far apart a representation holds each pair of items.

    euclidean     ‖x_i − x_j‖
    sqeuclidean   ‖x_i − x_j‖²
    correlation   1 − Pearson's r of the two rows
    cosine        1 − cos(x_i, x_j)
    mahalanobis   (x_i − x_j)ᵀ Σ⁻¹ (x_i − x_j), Σ the covariance of the noise
    crossnobis    mean over a ≠ b of (x_iᵃ − x_jᵃ)·(x_iᵇ − x_jᵇ) / d;  a, b: independent repeats

Squared distances are biased up by noise: two equal items measured with unit noise are ‖·‖²/d = 2
apart. The crossnobis estimator is not biased, since noise of two repeats does not correlate; it may
be negative. Repeats are dropout draws, augmentations, seeds.

Cost: n² d.
Reference: Kriegeskorte, Mur and Bandettini (2008), Front. Syst. Neurosci. 2; Walther et al. (2016),
NeuroImage 137 (crossnobis); Nili et al. (2014), PLoS Comput. Biol. 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from jaxtyping import Float, Float64
from scipy.spatial.distance import pdist, squareform

from inscape.core.item_rows import checked_rows
from inscape.core.pair_matrices import checked_pairs


def dissimilarity(
    x: Any, kind: str = "correlation", *, noise: Float[np.ndarray, "_ _"] | None = None
) -> Float64[np.ndarray, "n n"]:
    """All pairs of items.

    Args:
        x: (n, d).
        kind: which dissimilarity.
        noise: covariance of the noise, (d, d), for ``"mahalanobis"``; must be invertible, so shrink
            it.

    Raises:
        ValueError: an unknown kind, a missing noise covariance, or rows for which the kind is not
            defined.

    Example:
        >>> dissimilarity(np.array([[0.0, 0.0], [3.0, 4.0]]), "euclidean").tolist()
        [[0.0, 5.0], [5.0, 0.0]]
    """
    rows = checked_rows(x, "dissimilarity: x", least=2)
    if kind not in ("euclidean", "sqeuclidean", "correlation", "cosine", "mahalanobis"):
        raise ValueError(
            "dissimilarity: kind must be 'euclidean', 'sqeuclidean', 'correlation', 'cosine' or "
            f"'mahalanobis', got {kind!r}"
        )
    if kind == "mahalanobis":
        if noise is None:
            raise ValueError(
                "dissimilarity: 'mahalanobis' needs noise, the covariance of the noise"
            )
        root = _root(noise, rows.shape[1], "dissimilarity")
        rows = np.linalg.solve(root, rows.T).T
        return squareform(pdist(rows, "sqeuclidean"))
    if kind in ("correlation", "cosine"):
        rows = rows - rows.mean(axis=1, keepdims=True) if kind == "correlation" else rows
        size = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (size > 1e-12 * np.abs(rows).max()).all():
            what = "constant" if kind == "correlation" else "zero"
            raise ValueError(
                f"dissimilarity: {kind} is not defined for a {what} row; leave those items out"
            )
        # by differences of unit rows, so that near items lose no digits: 1 − cos = ‖a − b‖²/2
        return squareform(pdist(rows / size, "sqeuclidean") / 2)
    return squareform(pdist(rows, kind))


def dissimilarities(
    representations: Iterable[Any], kind: str = "correlation"
) -> Float64[np.ndarray, "k n n"]:
    """All pairs of items in each of several representations: layers, regions, subjects.

    Args:
        representations: (n, d) each, of the same items; widths may differ.
        kind: as in `dissimilarity`.

    Raises:
        ValueError: no representation, different numbers of items, or as in `dissimilarity`.

    Example:
        >>> x = np.array([[0.0, 0.0], [3.0, 4.0]])
        >>> dissimilarities([x, x[:, :1]], "euclidean")[:, 0, 1].tolist()
        [5.0, 3.0]
    """
    found = [dissimilarity(x, kind) for x in representations]
    if len({len(d) for d in found}) != 1:
        raise ValueError(
            "dissimilarities: needs representations of the same items, got "
            f"{', '.join(str(len(d)) for d in found) or 'none'}"
        )
    return np.stack(found)


def crossnobis(
    repeats: Float[np.ndarray, "r n d"], *, noise: Float[np.ndarray, "_ _"] | None = None
) -> Float64[np.ndarray, "n n"]:
    """Unbiased squared distances from independent repeats, per feature.

    Args:
        repeats: r measurements of every item, r ≥ 2, with independent noise.
        noise: covariance of the noise, whitened away where given; shrink it so that it is
            invertible.

    Returns:
        Distances, 0 on average for items that do not differ; single ones may be negative.

    Raises:
        ValueError: fewer than two repeats, numbers that are not finite, or a covariance that is not
            positive definite.
    """
    x = np.asarray(repeats, dtype=np.float64)
    if x.ndim != 3 or len(x) < 2:
        raise ValueError(
            "crossnobis: needs at least two repeats, shape (repeats, items, features), got "
            f"{x.shape}"
        )
    if not np.isfinite(x).all():
        raise ValueError(
            "crossnobis: repeats hold NaN or infinite numbers; leave those items out of all repeats"
        )
    if noise is not None:
        x = x @ np.linalg.inv(_root(noise, x.shape[2], "crossnobis")).T
    r, d = len(x), x.shape[2]
    total = squareform(pdist(x.sum(axis=0), "sqeuclidean"))
    own = sum(squareform(pdist(one, "sqeuclidean")) for one in x)
    return (total - own) / (r * (r - 1) * d)


def _root(noise: Any, d: int, caller: str) -> np.ndarray:
    """The Cholesky factor of a covariance of the noise of d features."""
    covariance = checked_pairs(noise, f"{caller}: noise", least=1)
    try:
        if covariance.shape == (d, d):
            return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        pass
    raise ValueError(
        f"{caller}: noise must be a positive definite covariance of {d} features, got shape "
        f"{covariance.shape}; shrink it towards its diagonal"
    )
