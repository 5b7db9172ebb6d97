"""Orthogonal projections: a basis of a span, what removes it, and the nearest point of the Fantope.

The Fantope {A symmetric, 0 ⪯ A ⪯ I, tr A = k} is the convex hull of the rank-k projections; the
nearest of its points keeps the eigenvectors of A and moves its eigenvalues by one constant, clipped
to [0, 1], so that they sum to k.

Cost: d³ for the Fantope; r² d for a span.
Reference: Vu et al. (2013), Fantope projection and selection, NeurIPS; Dattorro (2005), Convex
optimization, §2.3.2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def span(rows: Float[np.ndarray, "m d"], tol: float = 1e-10) -> Float[np.ndarray, "r d"]:
    """An orthonormal basis of the span of rows; directions below `tol` of the largest are left out.

    Example:
        >>> span(np.array([[2.0, 0.0], [4.0, 0.0]])).round(9).tolist() in ([[1.0, 0.0]], [[-1.0, 0.0]])
        True
    """
    _, size, basis = np.linalg.svd(np.asarray(rows, dtype=np.float64), full_matrices=False)
    floor = tol * float(size.max(initial=0.0))
    return np.ascontiguousarray(basis[size > max(floor, np.finfo(np.float64).tiny)])


def affine_of(
    basis: Float[np.ndarray, "r d"], mean: Float[np.ndarray, " d"]
) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, " d"]]:
    """``x − Qᵀ Q (x − mean)`` as a weight and a bias, ``x Aᵀ + b``."""
    removed = basis.T @ basis
    return np.eye(basis.shape[1]) - removed, removed @ mean


def fantope(a: Float[np.ndarray, "d d"], k: int) -> Float[np.ndarray, "d d"]:
    """The nearest symmetric matrix with eigenvalues in [0, 1] that sum to `k`.

    Raises:
        ValueError: `k` outside 0 … d.
    """
    w, v = np.linalg.eigh((a + a.T) / 2)
    return (v * capped_simplex(w, k)) @ v.T


def capped_simplex(values: Float[np.ndarray, " d"], k: int) -> Float[np.ndarray, " d"]:
    """The nearest point with entries in [0, 1] and sum `k`: ``clip(values − t, 0, 1)``, `t` found
    by bisection.

    Example:
        >>> capped_simplex(np.array([3.0, 0.2, 0.1]), 1).round(6).tolist()
        [1.0, 0.0, 0.0]
    """
    if not 0 <= k <= len(values):
        raise ValueError(f"capped_simplex: k must be 0 to {len(values)}, got {k}")
    low, high = float(values.min()) - 1.0, float(values.max())
    for _ in range(100):
        middle = (low + high) / 2
        if np.clip(values - middle, 0, 1).sum() > k:
            low = middle
        else:
            high = middle
    return np.clip(values - (low + high) / 2, 0, 1)
