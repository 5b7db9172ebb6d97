"""Principal curvatures of a surface at a point, from close neighbours: how far does a
representation bend?

    offsets of neighbours → principal axes:  t (first d, tangent)   and   f (the rest, normal)
    f ≈ J t + ½ tᵀ H t            least squares, one H (d × d) for each normal axis
    principal curvatures: eigenvalues of every H;   MAPC: the mean of their absolute values

A sphere of radius r has 1/r everywhere, a plane 0. Curvature is in units of 1 / length: scaling a
representation by two halves it. Normal axes without variance are no part of the surface's span and
are left out, so that embedding in more dimensions changes nothing.

Cost: O(k² D + k d⁴) a point.
Reference: Kaufman and Azencot (2023), Data representations' study of latent image manifolds,
arXiv:2305.19730; Li (2018), Curvature-aware manifold learning, arXiv:1706.07167 (the fit).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from inscape.core.item_rows import checked_rows
from inscape.shape.two_nn import two_nn

#: normal axes whose spread is below this share of the widest are rounding
_FLAT = 1e-6


def principal_curvatures(
    point: Float[np.ndarray, " D"], neighbours: Any, dimension: int
) -> Float64[np.ndarray, "normals d"]:
    """The principal curvatures at a point, for each normal axis.

    Args:
        point: the point.
        neighbours: close points of the surface, (k, D).
        dimension: d, of the surface.

    Returns:
        One row a normal axis that has variance, possibly none.

    Raises:
        ValueError: fewer neighbours than the d (d + 3) / 2 coefficients of the fit, or no
            dimension.

    Example:
        >>> t = np.linspace(-0.1, 0.1, 20)[:, None]
        >>> circle = 2 * np.hstack([np.sin(t), np.cos(t)])  # of radius 2
        >>> bool(abs(abs(principal_curvatures(np.array([0.0, 2.0]), circle, 1)) - 0.5).max() < 0.01)
        True
    """
    rows = checked_rows(neighbours, "principal_curvatures: neighbours", least=2)
    needed = dimension * (dimension + 3) // 2
    if dimension < 1 or len(rows) < needed:
        raise ValueError(
            f"principal_curvatures: {len(rows)} neighbours for dimension {dimension}; it must be "
            f"at least 1, and needs {needed} neighbours"
        )
    offsets = rows - np.asarray(point, dtype=np.float64)
    # coordinates along principal axes, from the Gram matrix: neighbours are fewer than features
    values, axes = np.linalg.eigh(offsets @ offsets.T)
    size = np.sqrt(np.maximum(values[::-1], 0))
    along = axes[:, ::-1] * size
    kept = size > _FLAT * size[0]
    tangent, normal = along[:, :dimension], along[:, dimension:][:, kept[dimension:]]
    if size[0] == 0 or not normal.shape[1]:
        return np.empty((0, dimension))
    unit = np.maximum(np.sqrt((tangent**2).mean(axis=0)), np.finfo(float).tiny)
    t, (i, j) = tangent / unit, np.triu_indices(dimension)
    terms = np.hstack([t, t[:, i] * t[:, j] * np.where(i == j, 0.5, 1.0)])
    found = np.linalg.lstsq(terms, normal, rcond=None)[0][dimension:]
    hessians = np.zeros((normal.shape[1], dimension, dimension))
    hessians[:, i, j] = hessians[:, j, i] = (found / (unit[i] * unit[j])[:, None]).T
    return np.linalg.eigvalsh(hessians)


def mean_curvature(
    points: Float[np.ndarray, "n D"], neighbours: Float[np.ndarray, "n k D"], dimension: int
) -> Float64[np.ndarray, " n"]:
    """Mean absolute principal curvature at each point; 0 where the neighbours have no normal axis.

    Args:
        points: (n, D).
        neighbours: of each point, (n, k, D).
        dimension: of the surface.
    """
    found = (
        principal_curvatures(x, near, dimension) for x, near in zip(points, neighbours, strict=True)
    )
    return np.array([np.abs(own).mean() if own.size else 0.0 for own in found])


class Bent(NamedTuple):
    """How a representation bends.

    Attributes:
        curvature: mean absolute principal curvature, 1 / length.
        scaled: the same in units of the representation's spread, the root of its total variance.
        dimension: intrinsic dimension by TwoNN.
    """

    curvature: float
    scaled: float
    dimension: float


def bent(
    states: Float[np.ndarray, "m D"],
    chosen: Int[np.ndarray, " n"],
    neighbours: Float[np.ndarray, "n k D"],
    most: int,
) -> Bent:
    """Curvature at some points of a representation, whose dimension is estimated.

    Args:
        states: the points.
        chosen: at which of them.
        neighbours: of each of these, (n, k, D).
        most: dimensions at most that the fit takes.
    """
    dimension = two_nn(states)
    fitted = int(np.clip(round(dimension), 1, most))
    found = float(mean_curvature(states[chosen], neighbours, fitted).mean())
    return Bent(found, found * float(np.sqrt(states.var(axis=0).sum())), dimension)


class Known(NamedTuple):
    """What the estimator gives where the curvature is known.

    Attributes:
        sphere: largest relative error on spheres of several radii.
        plane: largest curvature of planes, 1 / length.
    """

    sphere: float
    plane: float


def known_curvature(
    neighbours: int,
    *,
    dimension: int = 4,
    width: int = 20,
    radii: Sequence[float] = (0.5, 1, 2, 4, 8),
    rng: np.random.Generator,
) -> Known:
    """Check `mean_curvature` on spheres and planes, turned at random in a wider space.

    Args:
        neighbours: of each of ten points.
        dimension: d, of spheres and planes.
        width: of the space.
        radii: of the spheres.
        rng: of neighbours and turns.
    """
    t = 0.05 * rng.normal(size=(10, neighbours, dimension))
    up = np.sqrt(1 - (t**2).sum(axis=-1, keepdims=True))
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0][: dimension + 1]
    pole = np.tile(np.eye(dimension + 1)[-1:] @ turn, (10, 1))
    cap = np.concatenate([t, up], axis=-1) @ turn
    off = [abs(mean_curvature(r * pole, r * cap, dimension) * r - 1).max() for r in radii]
    flat = mean_curvature(np.zeros((10, width)), t @ turn[:dimension], dimension)
    return Known(float(max(off)), float(flat.max()))


def faded(
    images: Float[np.ndarray, "n c h w"], k: int, parts: int, *, rng: np.random.Generator
) -> Float64[np.ndarray, "n k c h w"]:
    """Close neighbours of pictures: each with its smallest singular values scaled down at random.

    Args:
        images: the pictures; every channel has its own singular values.
        k: neighbours of each.
        parts: how many singular values, the smallest, are scaled by factors between 0 and 1; the
            same in all channels.
        rng: of the factors.

    Raises:
        ValueError: more parts than singular values.
    """
    u, s, vt = np.linalg.svd(np.asarray(images, dtype=np.float64), full_matrices=False)
    if not 1 <= parts <= s.shape[-1]:
        raise ValueError(f"faded: {parts} parts were asked of {s.shape[-1]} singular values")
    factors = np.ones((len(s), k, 1, s.shape[-1]))
    factors[..., -parts:] = rng.random((len(s), k, 1, parts))
    return (u[:, None] * (s[:, None] * factors)[..., None, :]) @ vt[:, None]
