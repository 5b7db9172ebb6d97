"""How fast a deep linear network learns each feature, by its differential equation.

Where views x and y have covariances that are diagonal in one basis, with λ = cov(x_i, y_i) and
ρ = λ / var(x_i), an encoder of L layers that begins balanced and small learns each feature by
itself. Its size w in the representation, with the predictor v = w^{1/L}, obeys

    latent target (JEPA):   ẇ = L (λ w^{3 − 1/L} − w³ λ/ρ)          plateau ρ^L
    data target (MAE):      ẇ = L (λ w^{2 − 1/L} − w³ λ/ρ)          plateau ρ^{L/(L+1)}

In s = w^{1/L} both are ṡ = λ s^m (1 − (s/s*)^k), with s* the plateau's, and so the time to any size
is an integral,

    t = (1/λ) ∫ ds / (s^m (1 − (s/s*)^k))          m, k = 2L, 1 (latent) or L, L + 1 (data)

Cost: one integral, or one integration, for each feature.
Reference: Littwin et al. (2024), arXiv:2407.03475, theorem 3.2 and corollaries; Saxe et al. (2014),
arXiv:1312.6120.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.integrate import quad, solve_ivp


def linear_plateau(rho: Any, depth: int, *, latent: bool = True) -> Float64[np.ndarray, "*d"]:
    """The size at which a feature ends.

    Args:
        rho: regression coefficients, above 0.
        depth: L.
        latent: whether the target is a representation; otherwise it is data.

    Example:
        >>> linear_plateau([0.5, 1.5], 3).tolist(), linear_plateau([16.0], 3, latent=False).tolist()
        ([0.125, 3.375], [8.0])
    """
    return np.asarray(rho, dtype=np.float64) ** (depth if latent else depth / (depth + 1))


def linear_flow(
    times: Any, lam: Any, rho: Any, depth: int, *, latent: bool = True, start: float = 0.01
) -> Float64[np.ndarray, "times d"]:
    """Sizes of the features over time.

    Args:
        times: rising, from 0 on.
        lam: λ of each feature, (d,).
        rho: ρ of each feature, (d,).
        depth: L.
        latent: whether the target is a representation; otherwise it is data.
        start: the size at time 0.

    Raises:
        ValueError: numbers that are not above 0, or times that do not rise from 0 on.
    """
    at, lam, rho = _checked("linear_flow", times, lam, rho, start)
    m, k = (2 * depth, 1) if latent else (depth, depth + 1)
    top = linear_plateau(rho, depth, latent=latent) ** (1 / depth)
    begun = np.full(len(lam), start ** (1 / depth))
    found = solve_ivp(
        lambda t, s: lam * s**m * (1 - (s / top) ** k),
        (0.0, at[-1]),
        begun,
        method="LSODA",
        t_eval=at,
        rtol=1e-9,
        atol=1e-12,
    )
    return found.y.T**depth


def linear_time(
    share: float, lam: Any, rho: Any, depth: int, *, latent: bool = True, start: float = 0.01
) -> Float64[np.ndarray, " d"]:
    """The time at which each feature reaches a share of its own plateau.

    Args:
        share: below 1.
        lam: λ of each feature, (d,).
        rho: ρ of each feature, (d,).
        depth: L.
        latent: whether the target is a representation; otherwise it is data.
        start: the size at time 0; from above that share, the time is negative.

    Raises:
        ValueError: numbers that are not above 0, or a share of 1 or more.

    Example:
        >>> slow, fast = linear_time(0.5, [1.2, 1.0], [0.5, 1.5], 3)
        >>> round(float(slow)), round(float(fast))
        (734, 527)
    """
    _, lam, rho = _checked("linear_time", [0.0, share], lam, rho, start)
    if share >= 1:
        raise ValueError(f"linear_time: a plateau is never reached, share must be below 1: {share}")
    m, k = (2 * depth, 1) if latent else (depth, depth + 1)
    tops = linear_plateau(rho, depth, latent=latent)
    found = []
    for rate, top in zip(lam, tops ** (1 / depth), strict=True):
        ends = start ** (1 / depth), top * share ** (1 / depth)
        area, _ = quad(lambda s, top=top: 1 / (s**m * (1 - (s / top) ** k)), *ends, limit=200)
        found.append(area / rate)
    return np.array(found)


def crossing(
    times: Float64[np.ndarray, " times"],
    path: Float64[np.ndarray, " times *paths"],
    level: Any,
) -> Float64[np.ndarray, " *paths"]:
    """The first time at which each recorded path is at its level, between two records by a line.

    Args:
        times: rising.
        path: what was recorded.
        level: one, or one for each path.

    Returns:
        NaN where a path stays below its level.

    Example:
        >>> crossing(np.array([0.0, 1.0, 2.0]), np.array([[0.0], [1.0], [3.0]]), 2.0).tolist()
        [1.5]
    """
    above = path >= level
    at = above.argmax(axis=0)
    here = np.take_along_axis(path, at[None], axis=0)[0]
    last = np.maximum(at - 1, 0)
    before = np.take_along_axis(path, last[None], axis=0)[0]
    step = np.where(here > before, here - before, 1.0)
    found = times[at] - (times[at] - times[last]) * (here - level) / step
    return np.where(above.any(axis=0), np.where(at > 0, found, times[0]), np.nan)


def _checked(name: str, times: Any, lam: Any, rho: Any, start: float) -> tuple[Any, Any, Any]:
    at, lam, rho = (np.asarray(x, dtype=np.float64) for x in (times, lam, rho))
    if lam.shape != rho.shape or lam.ndim != 1 or min(lam.min(), rho.min(), start) <= 0:
        raise ValueError(
            f"{name}: lam and rho are one number above 0 for each feature, and start is above 0; "
            f"got lam {lam.tolist()}, rho {rho.tolist()}, start {start}"
        )
    if len(at) < 2 or at[0] < 0 or (np.diff(at) <= 0).any():
        raise ValueError(f"{name}: times (or the share) must rise from 0 on, got {at.tolist()}")
    return at, lam, rho
