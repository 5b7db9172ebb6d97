"""Logistic regression on nested sets of coordinates: the first k of a ranking, for many k and many
rankings at once.

    minimise over β₁ … β_k    Σ_i v_i ℓ(y_i, b + x_i·β) + (λ/2) ‖β‖²        for every k asked for

v are weights of rows (0 leaves a row out, others balance classes), the intercept is unpenalised.
Sets are nested, so one Hessian serves all sizes near each other: its Cholesky factor's leading
blocks are the factors of the leading blocks, and with L⁻¹ lower triangular

    D_k = L⁻ᵀ M_k L⁻¹ G_k        M_k keeps the first k rows

is the exact step of every k by two products. Sizes are taken in blocks that double (1, 2, 3–4, 5–8
…), each started where the last ended, with weights p(1 − p) averaged over the block; a step is
shortened where it went too far. The problems are convex: a small gradient is the optimum.

Cost per step: n m² for the Hessian and 2 n m K for K sizes up to m; three to seven steps a block.
Reference: Gurnee et al. (2023), Finding neurons in a haystack, arXiv:2305.01610, §3; Boyd and
Vandenberghe (2004), §9.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from inscape.core.threads import side_by_side

#: numbers of one problem's rows that are worked on at once: what stays in a core's cache
_CACHE = 2e5

# legend: p problems (rankings, sites, label sets), n rows, m coordinates in the order of the
# ranking, s sizes


@dataclass(frozen=True)
class NestedFit:
    """Fits of every size for every problem.

    Attributes:
        sizes: how many coordinates each fit has, ascending.
        coef: coefficients, zero beyond the size, (p, s, m).
        intercept: (p, s).
        gradient: size of the last preconditioned gradient per row, (p, s).
        iterations: Newton steps made along all sizes, the most of any problem.
    """

    sizes: tuple[int, ...]
    coef: Float[np.ndarray, "p s m"]
    intercept: Float[np.ndarray, "p s"]
    gradient: Float[np.ndarray, "p s"]
    iterations: int

    def logits(self, x: Float[np.ndarray, "p n m"]) -> Float[np.ndarray, "p n s"]:
        """Decision values of rows in the same ranked coordinates."""
        return x @ self.coef.transpose(0, 2, 1) + self.intercept[:, None]


def fit(
    x: Float[np.ndarray, "p n m"],
    y: Float[np.ndarray, "p n"],
    sizes: Sequence[int],
    penalty: Float[np.ndarray, " p"] | float,
    *,
    weight: Float[np.ndarray, "p n"] | None = None,
    tol: float = 1e-6,
    max_iter: int = 100,
) -> NestedFit:
    """Solve every size of every problem.

    Args:
        x: rows, coordinates in the order of the ranking; best centred and of unit deviation.
        y: labels, 0 or 1.
        sizes: how many of the first coordinates, each from 1 to m.
        penalty: λ, positive, one for all or for each problem.
        weight: of the rows; None for one each.
        tol: a size is done when ``sqrt(gᵀ H⁻¹ g / Σ v)`` is below it.
        max_iter: Newton steps at most a block.

    Returns:
        The fits.

    Raises:
        ValueError: a size outside 1 … m, or a penalty that is not positive.
    """
    p, n, m = x.shape
    wanted = sorted({int(k) for k in sizes})
    if not wanted or wanted[0] < 1 or wanted[-1] > m:
        raise ValueError(
            f"nested: sizes must lie between 1 and {m}, the number of coordinates, got "
            f"{list(sizes)}"
        )
    lam = np.broadcast_to(np.asarray(penalty, dtype=np.float64), (p,))
    if not (np.isfinite(lam) & (lam > 0)).all():
        raise ValueError(f"nested: the penalty must be positive, got {np.unique(lam).tolist()}")
    v = np.ones((p, n)) if weight is None else weight.astype(np.float64)
    coef, bias, left = (
        np.zeros((p, len(wanted), m)),
        np.zeros((p, len(wanted))),
        np.zeros((p, len(wanted))),
    )
    some = max(1, int(_CACHE / (n * wanted[-1])))

    def one(first: int) -> int:
        part = slice(first, first + some)
        ones = np.ones((len(x[part]), n, 1))
        wide = np.concatenate([ones, x[part, :, : wanted[-1]]], axis=2)
        start, steps, done = np.zeros((len(ones), 1)), 0, 0
        for block in _blocks(wanted):
            beta = np.zeros((len(ones), block[-1] + 1, len(block)))
            beta[:, : start.shape[1]] = start[:, :, None]
            inside, here = wide[:, :, : block[-1] + 1], slice(done, done + len(block))
            beta, gradient, made = _solve(
                inside, y[part], v[part], lam[part], block, beta, tol, max_iter
            )
            coef[part, here, : block[-1]], bias[part, here] = (
                beta[:, 1:].transpose(0, 2, 1),
                beta[:, 0],
            )
            left[part, here] = gradient
            start, steps, done = beta[:, :, -1], steps + made, done + len(block)
        return steps

    steps = side_by_side(one, range(0, p, some))
    return NestedFit(tuple(wanted), coef, bias, left, max(steps))


def _blocks(sizes: list[int]) -> Iterator[list[int]]:
    """Neighbouring sizes, up to twice the last of the block before: 1, 2, 3–4, 5–8 …"""
    last = 0
    while sizes:
        here = [k for k in sizes if k <= max(sizes[0], 2 * last)]
        yield here
        last, sizes = here[-1], sizes[len(here) :]


def _solve(
    wide: np.ndarray,
    y: np.ndarray,
    v: np.ndarray,
    lam: np.ndarray,
    sizes: list[int],
    beta: np.ndarray,
    tol: float,
    max_iter: int,
) -> tuple[np.ndarray, np.ndarray, int]:
    """One block of sizes; coefficients (p, m + 1, s), the last gradients (p, s), steps made."""
    m = wide.shape[2]
    mask = (np.arange(m)[:, None] <= np.array(sizes)).astype(
        np.float64
    )  # (m, s), the intercept first
    pen = np.broadcast_to(lam[:, None], (len(lam), m)).copy()
    pen[:, 0] = 0.0
    flat, transposed, rows = v[:, :, None], wide.transpose(0, 2, 1), v.sum(axis=1)[:, None]
    eta = wide @ beta
    chance = expit(eta)
    gradient = mask * (transposed @ (flat * (chance - y[:, :, None])) + pen[:, :, None] * beta)
    inverse = np.empty(0)
    for step in range(max_iter + 1):
        if (
            step % 3 == 0
        ):  # a block starts near its end, where the curvature hardly moves: it is kept
            inverse = _inverse_factor(
                wide, transposed, v * (chance * (1 - chance)).mean(axis=2), pen
            )
        direction = inverse.transpose(0, 2, 1) @ (mask * (inverse @ gradient))
        size = (gradient * direction).sum(axis=1)  # (p, s)
        last = np.sqrt(np.maximum(size, 0.0) / rows)
        if step == max_iter or (last <= tol).all():
            return beta, last, step
        along = wide @ direction
        length = np.ones_like(size)
        trial = expit(eta - along)
        new = _gradient(transposed, flat, trial, y, pen, beta - direction, mask)
        ahead = -(new * direction).sum(
            axis=1
        )  # the slope at the full step, which starts at minus size
        if (far := np.abs(ahead) > 0.5 * size).any():
            search = _search(eta, along, y, flat, pen, beta, direction, size)
            length = np.where(far, search, length)
            trial = expit(eta - length[:, None] * along)
            new = _gradient(
                transposed, flat, trial, y, pen, beta - length[:, None] * direction, mask
            )
        beta = beta - length[:, None] * direction
        eta = eta - length[:, None] * along
        chance, gradient = trial, new
    raise AssertionError("unreachable")


def _gradient(
    transposed: np.ndarray,
    flat: np.ndarray,
    chance: np.ndarray,
    y: np.ndarray,
    pen: np.ndarray,
    beta: np.ndarray,
    mask: np.ndarray,
) -> np.ndarray:
    return mask * (transposed @ (flat * (chance - y[:, :, None])) + pen[:, :, None] * beta)


def _inverse_factor(
    wide: np.ndarray, transposed: np.ndarray, w: np.ndarray, pen: np.ndarray
) -> np.ndarray:
    """L⁻¹ of the Hessian's Cholesky factor, (p, m, m)."""
    hessian = transposed @ (w[:, :, None] * wide)
    at = np.arange(wide.shape[2])
    # where every probability is certain the weights vanish: the intercept, unpenalised, needs
    # something to stand on
    hessian[:, at, at] += pen + 1e-10 * (1.0 + w.sum(axis=1)[:, None])
    return np.linalg.inv(np.linalg.cholesky(hessian))


def _search(
    eta: np.ndarray,
    along: np.ndarray,
    y: np.ndarray,
    flat: np.ndarray,
    pen: np.ndarray,
    beta: np.ndarray,
    direction: np.ndarray,
    size: np.ndarray,
) -> np.ndarray:
    """A length per size: the step of the bound on the curvature (never past the minimum), then
    Newton or the secant.
    """
    weighted = flat * along
    linear, square = (
        (pen[:, :, None] * beta * direction).sum(axis=1),
        (pen[:, :, None] * direction**2).sum(axis=1),
    )
    tiny = np.finfo(np.float64).tiny

    def slope(length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = expit(eta - length[:, None] * along)
        first = -((p - y[:, :, None]) * weighted).sum(axis=1) - linear + length * square
        return first, np.maximum((p * (1 - p) * along * weighted).sum(axis=1) + square, tiny)

    safe = size / np.maximum(0.25 * (along * weighted).sum(axis=1) + square, tiny)
    at_safe, curvature = slope(safe)
    far = np.clip(safe - at_safe / curvature, safe, 100 * safe)
    at_far, _ = slope(far)
    gap = at_far - at_safe
    secant = np.divide(-at_safe * (far - safe), gap, out=np.zeros_like(gap), where=gap > 0) + safe
    return np.where(at_far > 0, secant, far)
