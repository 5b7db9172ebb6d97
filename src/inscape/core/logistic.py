"""Logistic regression for a whole family of questions at once.

Every column is its own convex problem on the same rows (another shuffle of the labels, another set
of rows left out, another penalty):

    minimise  Σ_i m_i ℓ(y_i, b + z_i·β) + (λ/2) ‖β‖²          m_i ∈ {0, 1} says which rows train

with ℓ the binary or the softmax log loss and the intercept unpenalised: scikit-learn's objective
with λ = 1/C. In the eigenbasis of the rows (`inscape.core.ridge.Basis`) Böhning's curvature bound
is diagonal, κ w + λ with κ = ¼ (binary) or ½ (softmax), so one preconditioner serves all columns,
and nonlinear conjugate gradients (Polak–Ribière+, a safeguarded two-evaluation line search per
column) run as matrix products over them. The problems are convex: a small gradient is the optimum,
however it was reached. Cost per iteration 2 n r T q multiply-adds for T columns of q logits.

Reference: Böhning and Lindsay (1988), Ann. Inst. Stat. Math. 40; Böhning (1992), ibid. 44; Nocedal
and Wright (2006), ch. 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp, softmax

#: inverse penalties for features of unit root-mean-square deviation
CS = tuple(np.logspace(-4, 1, 6).tolist())
# legend: n rows, r directions with the intercept first, t columns, q logits (1 if binary, else
# classes)


@dataclass(frozen=True)
class Fit:
    """Logistic fits of T columns in one basis.

    Attributes:
        beta: intercept first, then the coefficients in the basis, (1 + r, T, q); q = 1 for two
            classes, else k.
        gradient: size of the last preconditioned gradient per row, (T,): below the tolerance where
            converged.
        iterations: how many were made.
    """

    beta: Float[np.ndarray, "r t q"]
    gradient: Float[np.ndarray, " t"]
    iterations: int

    def logits(self, z: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n t q"]:
        """Decision values of rows in the basis."""
        return _times(z, self.beta[1:]) + self.beta[0]


def one_hot(labels: Int[np.ndarray, "n t"], k: int) -> Float[np.ndarray, "n t q"]:
    """Labels 0 … k − 1 as what the logits are compared with: the label itself for two classes, else
    one-hot.
    """
    if k == 2:
        return labels[:, :, None].astype(np.float64)
    return (labels[:, :, None] == np.arange(k)).astype(np.float64)


def log_loss(
    eta: Float[np.ndarray, "n t q"], y: Float[np.ndarray, "n t q"]
) -> Float[np.ndarray, "n t"]:
    """``−log p(y)`` per row and column."""
    if eta.shape[2] == 1:
        return (np.logaddexp(0.0, eta) - y * eta)[:, :, 0]
    return logsumexp(eta, axis=2) - (y * eta).sum(axis=2)


def fit(
    z: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, " d"],
    y: Float[np.ndarray, "n t q"],
    penalty: Float[np.ndarray, " t"],
    *,
    mask: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tol: float = 1e-6,
    max_iter: int = 1000,
) -> Fit:
    """Solve every column.

    Args:
        z: rows in the eigenbasis; columns orthogonal with squared norms `w`, means zero.
        w: squared norms of the columns of `z`.
        y: from `one_hot`.
        penalty: λ of each column.
        mask: which rows train, (n, T) of 0 and 1; None for all.
        start: first guess, (1 + r, T, q).
        tol: a column is done when ``sqrt(gᵀ P g / n)`` is below it, P the preconditioner, n its
            rows; the mean log loss is then about tol²/2 from the optimum, times the ratio of the
            curvature bound to the curvature.
        max_iter: iterations at most.

    Returns:
        The fits.
    """
    n, t, q = y.shape
    wide = np.hstack([np.ones((n, 1)), z])
    kappa = 0.25 if q == 1 else 0.5
    trained = np.full(t, float(n)) if mask is None else mask.sum(axis=0, dtype=np.float64)
    bound = (kappa * np.concatenate([[float(n)], w]))[:, None] * (trained / n)
    pen = np.vstack([np.zeros((1, t)), np.broadcast_to(penalty, (len(w), t))])[
        :, :, None
    ]  # (r, t, 1)
    weights = None if mask is None else mask[:, :, None].astype(np.float64)
    beta = np.zeros((len(w) + 1, t, q)) if start is None else start.copy()
    out, left = beta.copy(), np.full(t, np.inf)
    live = np.arange(t)
    eta = _times(wide, beta)
    direction = old = old_size = None
    steps = 0
    while steps < max_iter:
        steps += 1
        residual = _residual(eta, y, weights)
        gradient = _times(wide.T, residual) + pen * beta
        scaled = gradient / (bound[:, live, None] + pen)
        size = (gradient * scaled).sum(axis=(0, 2))
        open_ = (
            left[live] > tol
        )  # a column stays as it was when it came below the tolerance, whatever else is fitted
        left[live[open_]] = np.sqrt(size / trained[live])[open_]
        todo = left[live] > tol
        done = open_ & ~todo
        out[:, live[done]] = beta[:, done]
        if not todo.any():
            break
        if (
            todo.mean() < 0.75
        ):  # converged columns are dropped in batches: copying costs about one iteration
            live, beta, eta, y, pen = (
                live[todo],
                beta[:, todo],
                eta[:, todo],
                y[:, todo],
                pen[:, todo],
            )
            weights = None if weights is None else weights[:, todo]
            gradient, scaled, size = gradient[:, todo], scaled[:, todo], size[todo]
            if direction is not None:
                direction, old, old_size = direction[:, todo], old[:, todo], old_size[todo]
        direction = _conjugate(gradient, scaled, direction, old, old_size)
        old, old_size = gradient, size
        slope = (gradient * direction).sum(axis=(0, 2))
        along = _times(wide, direction)
        linear, square = (
            (pen * beta * direction).sum(axis=(0, 2)),
            (pen * direction**2).sum(axis=(0, 2)),
        )
        step = _line_search(eta, along, y, weights, slope, linear, square, kappa)[:, None]
        beta = beta + step * direction
        eta = eta + step * along
    else:
        last = left[live] > tol
        out[:, live[last]] = beta[:, last]
    return Fit(out, left, steps)


def choose(
    z: Float[np.ndarray, "n d"],
    w: Float[np.ndarray, " d"],
    y: Float[np.ndarray, "n t q"],
    penalties: Float[np.ndarray, "c ..."],
    inner: Int[np.ndarray, "n ..."],
    *,
    tol: float = 1e-3,
    max_iter: int = 200,
) -> tuple[Float[np.ndarray, "c t"], np.ndarray]:
    """Held-out log loss of every penalty, by refitting without each inner fold, warm-started from
    strong to weak.

    A column leaves the path once its held-out loss has risen twice in a row: past its minimum, the
    weakest penalties cost the most iterations and are never chosen. What was not tried counts as
    infinite.

    Args:
        z, w, y: as in `fit`.
        penalties: the grid of λ, (C,), or one for each column in the same order, (C, T).
        inner: the inner fold 0 … J − 1 that each row is held out in, −1 where it does not train,
            (n,) or for each column (n, T); see `fold_numbers`.
        tol, max_iter: as in `fit`.

    Returns:
        Summed held-out log loss (C, T), and per penalty the mean of the folds' coefficients (C, 1 +
        r, T, q): the starting point of the final fit.
    """
    t, j = y.shape[1], int(inner.max()) + 1
    penalties, inner = (
        np.broadcast_to(a.reshape(len(a), -1), (len(a), t)) for a in (penalties, inner)
    )
    losses = np.full((len(penalties), t), np.inf)
    starts = np.zeros((len(penalties), len(w) + 1, t, y.shape[2]))
    live, start, rises, last = np.arange(t), None, np.zeros(t, dtype=np.int64), np.full(t, np.inf)
    for i in np.argsort(-penalties[:, 0]):
        # column (t j): column t without inner fold j
        held = inner[:, live, None] == np.arange(j)
        trains = ((inner[:, live, None] >= 0) & ~held).reshape(len(z), -1)
        columns, pen = np.repeat(y[:, live], j, axis=1), np.repeat(penalties[i, live], j)
        start = fit(z, w, columns, pen, mask=trains, start=start, tol=tol, max_iter=max_iter).beta
        unseen = log_loss(_times(z, start[1:]) + start[0], columns) * held.reshape(len(z), -1)
        losses[i, live] = now = unseen.sum(axis=0).reshape(-1, j).sum(axis=1)
        split = start.reshape(len(w) + 1, len(live), j, -1)
        starts[i][:, live] = split.mean(axis=2)
        rises[live] = np.where(now > last[live], rises[live] + 1, 0)
        last[live] = now
        keep = rises[live] < 2
        live, start = live[keep], split[:, keep].reshape(len(w) + 1, -1, y.shape[2])
        if len(live) == 0:
            break
    return losses, starts


def fold_numbers(n: int, held: Sequence[np.ndarray]) -> Int[np.ndarray, " n"]:
    """The fold in which each of n rows is held out, −1 for rows that no fold names."""
    numbers = np.full(n, -1, dtype=np.int64)
    for fold, rows in enumerate(held):
        numbers[rows] = fold
    return numbers


def _times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # a representation that is the same in every row has no directions, from which -1 cannot be
    # inferred
    return (a @ b.reshape(b.shape[0], int(np.prod(b.shape[1:])))).reshape(a.shape[0], *b.shape[1:])


def _chance(eta: np.ndarray) -> np.ndarray:
    return (
        0.5 * np.tanh(0.5 * eta) + 0.5 if eta.shape[2] == 1 else softmax(eta, axis=2)
    )  # half the time of expit


def _residual(eta: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    residual = _chance(eta) - y
    return residual if weights is None else residual * weights


def _conjugate(
    gradient: np.ndarray,
    scaled: np.ndarray,
    direction: np.ndarray | None,
    old: np.ndarray | None,
    old_size: np.ndarray | None,
) -> np.ndarray:
    if direction is None:
        return -scaled
    turn = ((gradient - old) * scaled).sum(axis=(0, 2))
    # a column at its very optimum has no gradient; it stays until it is dropped with others
    mix = np.maximum(0.0, np.divide(turn, old_size, out=np.zeros_like(turn), where=old_size > 0))
    out = mix[:, None] * direction - scaled
    uphill = (gradient * out).sum(axis=(0, 2)) >= 0
    out[:, uphill] = -scaled[:, uphill]
    return out


def _line_search(
    eta: np.ndarray,
    along: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    slope: np.ndarray,
    linear: np.ndarray,
    square: np.ndarray,
    kappa: float,
) -> np.ndarray:
    """A step per column: the bound's step (never past the minimum), then Newton, then Newton or the
    secant.
    """
    swing = along**2 if weights is None else weights * along**2
    bound = kappa * swing.sum(axis=(0, 2)) + square
    safe = np.divide(-slope, bound, out=np.zeros_like(bound), where=bound > 0)
    at_safe, curvature = _along(eta, along, y, weights, safe, linear, square)
    # where probabilities saturate the bound is far off and Newton may leap; a hundred safe steps
    # are enough for one
    far = np.clip(safe - at_safe / curvature, safe, 100 * safe)
    at_far, curvature = _along(eta, along, y, weights, far, linear, square)
    gap = at_far - at_safe
    secant = np.divide(-at_safe * (far - safe), gap, out=np.zeros_like(gap), where=gap > 0) + safe
    newton = np.clip(far - at_far / curvature, far, 100 * safe)
    return np.where(at_far > 0, secant, newton)


def _along(
    eta: np.ndarray,
    along: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None,
    step: np.ndarray,
    linear: np.ndarray,
    square: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of the objective along the direction, at `step`."""
    p = _chance(eta + step[:, None] * along)
    moved = along if weights is None else along * weights
    first = ((p - y) * moved).sum(axis=(0, 2)) + linear + step * square
    if p.shape[2] == 1:
        second = (p * (1 - p) * along * moved).sum(axis=(0, 2)) + square
    else:
        mean = (p * along).sum(axis=2, keepdims=True)
        second = (p * (along - mean) * moved).sum(axis=(0, 2)) + square
    return first, np.maximum(second, np.finfo(np.float64).tiny)
