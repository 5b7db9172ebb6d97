"""Optimal transport on the circle, exactly and by a linear embedding (LCOT): how far apart are two
sets of phases?

    embedding   ν̂(t) = F⁻¹(t − α) − t,   α = mean of ν − ½        F⁻¹: quantiles, with F⁻¹(t + 1) = F⁻¹(t) + 1
    LCOT² = ∫ min_k |ν̂₁(t) − ν̂₂(t) + k|² dt                       exact: min over α of ∫ |F₁⁻¹(t) − F₂⁻¹(t − α)|² dt

The embedding is transport to the uniform measure, in one sort; distances of many measures are then
those of vectors, and means of vectors are measures again. Phases are in turns, 0 up to 1.

Cost: n log n an embedding, its length a pair; the exact distance n² a pair of n samples.
Reference: Martin et al. (2024), LCOT, arXiv:2310.06002, eq. 7 to 12; Delon, Salomon and Sobolevski
(2010), SIAM J. Appl. Math. 70 (the exact distance).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


def lcot_embedding(phases: Float[np.ndarray, " n"], points: int = 256) -> Float64[np.ndarray, " p"]:
    """The embedding of a sample of phases.

    Args:
        phases: in turns; whole turns are dropped.
        points: at which the embedding is taken, evenly over the circle.

    Raises:
        ValueError: no phase, or one that is not finite.

    Example:
        >>> even = (np.arange(8) + 0.5) / 8
        >>> float(np.abs(lcot_embedding(even, 8)).max())
        0.0
    """
    x = _sorted(phases, "lcot_embedding")
    t = (np.arange(points) + 0.5) / points
    at = t - (x.mean() - 0.5)
    turns = np.floor(at)
    index = np.minimum(((at - turns) * len(x)).astype(np.int64), len(x) - 1)
    return x[index] + turns - t


def lcot_distance(
    first: Float[np.ndarray, "*#m p"], second: Float[np.ndarray, "*#m p"]
) -> Float64[np.ndarray, ...]:
    """LCOT of embeddings of as many points.

    Example:
        >>> a, b = (lcot_embedding(np.full(4, x)) for x in (0.05, 0.95))
        >>> round(float(lcot_distance(a, b)), 3)
        0.1
    """
    apart = np.asarray(first) - np.asarray(second)
    apart = apart - np.round(apart)
    return np.asarray(np.sqrt(np.mean(apart**2, axis=-1)))


def lcot_distances(
    phases: Float[np.ndarray, "m n"], points: int = 256
) -> Float64[np.ndarray, "m m"]:
    """LCOT of every pair of m samples, each embedded once.

    Args:
        phases: a sample in each row, in turns.
        points: at which each is embedded.

    Raises:
        ValueError: no phase, or one that is not finite.

    Example:
        >>> x = np.array([[0.05, 0.05], [0.95, 0.95], [0.3, 0.3]])
        >>> lcot_distances(x, 4).round(2).tolist()
        [[0.0, 0.1, 0.25], [0.1, 0.0, 0.35], [0.25, 0.35, 0.0]]
    """
    z = np.stack([lcot_embedding(row, points) for row in phases])
    return np.stack([lcot_distance(z, row[None]) for row in z])


def circular_transport(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " m"]) -> float:
    """Exact 2-Wasserstein distance on the circle of two samples of one size.

    Args:
        first: phases, in turns.
        second: as many.

    Raises:
        ValueError: samples of unequal sizes, none, or one that is not finite.

    Example:
        >>> round(circular_transport(np.array([0.05, 0.5]), np.array([0.95, 0.5])), 4)
        0.0707
    """
    a, b = (_sorted(x, "circular_transport") for x in (first, second))
    if len(a) != len(b):
        raise ValueError(
            f"circular_transport: samples of {len(a)} and {len(b)}; give as many of both"
        )
    n = len(a)
    lifted = np.concatenate([b - 1, b, b + 1])
    # every cyclic shift, each item moving by less than a turn
    moved = lifted[np.arange(2 * n + 1)[:, None] + np.arange(n)]
    return float(np.sqrt(((moved - a) ** 2).mean(axis=1).min()))


def line_transport(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " m"]) -> float:
    """The 2-Wasserstein distance of the same samples on the line, the circle cut open at 0."""
    a, b = (_sorted(x, "line_transport") for x in (first, second))
    if len(a) != len(b):
        raise ValueError(f"line_transport: samples of {len(a)} and {len(b)}; give as many of both")
    return float(np.sqrt(np.mean((a - b) ** 2)))


def _sorted(phases: np.ndarray, caller: str) -> np.ndarray:
    x = np.asarray(phases, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"{caller}: needs a list of finite phases, got shape {x.shape}")
    return np.sort(x % 1.0)
