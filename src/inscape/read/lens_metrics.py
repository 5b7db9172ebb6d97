"""How good a lens is: does it name the network's own answer, and how many layers could have been
left out?

    precision@k   share of rows whose final token is among the lens's k most likely
    early exit    layer of row i at threshold τ: the first whose confidence is at least τ, else the last
    retention     share of rows whose token at the exit is the final token

A threshold is a choice, so it is made on some rows (`threshold_for`) and judged on others
(`early_exit`). Lenses differ in how much they keep at the threshold that is chosen, so they are
compared at equal retention (`depth_at`): the whole curve of depth against retention is traced, and
read off at the same retention for each. A threshold may decay with position:

    τ(t) = 0.9 τ + 0.1 exp(−4 t / N)      position t, mean length N, confidence a difference of probabilities

Cost: linear in layers × rows × thresholds; times groups for an interval.
Reference: Din et al. (2023), arXiv:2303.09435, §4 and §5; Schuster et al. (2022), arXiv:2207.07061,
where confidence is a difference of probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from inscape.core.jackknife import Jackknife


class Exit(NamedTuple):
    """Where rows leave at one threshold.

    Attributes:
        layer: index of the layer at which each row leaves, (n,).
        kept: whether its token there is the final one, (n,) bool.
    """

    layer: Int[np.ndarray, " n"]
    kept: Bool[np.ndarray, " n"]


def named(
    tokens: Int[np.ndarray, "*l n k"], final: Int[np.ndarray, " n"], k: int
) -> Bool[np.ndarray, "*l n"]:
    """Whether the final token is among the k most likely ones; its mean is precision@k.

    Args:
        tokens: most likely first, (…, n, K) with K ≥ k.
        final: the network's own most likely token, (n,).
        k: how many count.

    Raises:
        ValueError: k is not between 1 and K.

    Example:
        >>> named(np.array([[4, 7, 1], [2, 3, 9]]), np.array([7, 9]), 2).tolist()
        [True, False]
    """
    if not 1 <= k <= tokens.shape[-1]:
        raise ValueError(
            f"named: k must be between 1 and the {tokens.shape[-1]} tokens given, got {k}"
        )
    return (tokens[..., :k] == np.asarray(final)[..., None]).any(-1)


def others_named(
    tokens: Int[np.ndarray, "*l n"], final: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "*l n"]:
    """How often a state names another row's token than its own, the mean over the other rows.

    Args:
        tokens: the token that each state names, (…, n).
        final: the rows' own tokens, (n,), at least two.

    Raises:
        ValueError: fewer than two rows.

    Example:
        >>> others_named(np.array([1, 1, 9]), np.array([1, 2, 3])).tolist()
        [0.0, 0.5, 0.0]
    """
    if len(final) < 2:
        raise ValueError("others_named: needs two rows or more, or there is no other")
    known, count = np.unique(final, return_counts=True)
    at = np.minimum(np.searchsorted(known, tokens), len(known) - 1)
    every = np.where(known[at] == tokens, count[at], 0)
    return (every - (tokens == final)) / (len(final) - 1)


def early_exit(
    confidence: Float[np.ndarray, "layers n"],
    tokens: Int[np.ndarray, "layers n"],
    final: Int[np.ndarray, " n"],
    threshold: float | Float[np.ndarray, " n"],
) -> Exit:
    """Let every row leave at the first layer that is confident enough.

    Args:
        confidence: of each layer about each row; the last layer is taken where none reaches the
            threshold.
        tokens: the most likely token of each layer.
        final: the network's own.
        threshold: at least this confident, one for all rows or one for each.

    Example:
        >>> sure, tokens = np.array([[0.1, 0.9], [0.8, 0.9]]), np.array([[5, 5], [6, 6]])
        >>> found = early_exit(sure, tokens, np.array([6, 6]), 0.5)
        >>> found.layer.tolist(), found.kept.tolist()
        ([1, 0], [True, False])
    """
    ready = confidence >= threshold
    layer = np.where(ready.any(axis=0), ready.argmax(axis=0), len(confidence) - 1)
    return Exit(layer, np.take_along_axis(tokens, layer[None], axis=0)[0] == final)


class Sureness(NamedTuple):
    """How sure every layer is of its token, with the network's own at the end; no row leaves at the
    first layer.

    Attributes:
        margin: log-probability by which the likeliest token leads the second, in nats, (layers + 1,
            n).
        lead: the same as a difference of probabilities, (layers + 1, n).
        tokens: the likeliest token, (layers + 1, n).
    """

    margin: Float[np.ndarray, "layers n"]
    lead: Float[np.ndarray, "layers n"]
    tokens: Int[np.ndarray, "layers n"]


def sureness(
    log_probs: Float[np.ndarray, "layers n k"],
    tokens: Int[np.ndarray, "layers n k"],
    final: Int[np.ndarray, " n"],
) -> Sureness:
    """How sure every layer is, for `exit_depth` and `exit_curve`.

    Args:
        log_probs: of the likeliest tokens of every layer, most likely first, k ≥ 2.
        tokens: those tokens.
        final: the network's own, which the last layer is sure of.

    Example:
        >>> p = np.log(np.array([[[0.9, 0.1]], [[0.6, 0.3]]]))
        >>> found = sureness(p, np.array([[[1, 2]], [[3, 4]]]), np.array([5]))
        >>> found.lead.ravel().round(6).tolist(), found.margin.ravel().round(4).tolist()
        ([-inf, 0.3, inf], [-inf, 0.6931, inf])
    """
    ahead = np.exp(log_probs[..., :2].astype(np.float64))
    never, always = np.full(len(final), -np.inf), np.full(len(final), np.inf)
    both = (log_probs[..., 0] - log_probs[..., 1], ahead[..., 0] - ahead[..., 1])
    margin, lead = (np.vstack([never, x[1:], always]) for x in both)
    return Sureness(margin, lead, np.vstack([tokens[..., 0], final]))


def exit_curve(
    confidence: Float[np.ndarray, "layers n"],
    tokens: Int[np.ndarray, "layers n"],
    final: Int[np.ndarray, " n"],
    thresholds: Float[np.ndarray, " t"],
) -> Float[np.ndarray, "t 2"]:
    """Mean layer and retention of every threshold, (thresholds, 2)."""
    exits = [early_exit(confidence, tokens, final, float(t)) for t in thresholds]
    return np.array([[e.layer.mean(), e.kept.mean()] for e in exits])


def exit_depth(
    confidence: Float[np.ndarray, "layers n"],
    tokens: Int[np.ndarray, "layers n"],
    final: Int[np.ndarray, " n"],
    groups: Int[np.ndarray, " n"],
    retention: float = 0.95,
    *,
    position: Float[np.ndarray, " n"] | None = None,
    thresholds: int = 400,
) -> Jackknife:
    """Mean exit layer at a given retention, interpolated on the curve over all thresholds, with
    each group left out.

    Args:
        confidence: of each layer about each row.
        tokens: the most likely token of each layer.
        final: the network's own.
        groups: the document of each row, 0 … G − 1.
        retention: share of rows that keep their token.
        position: t / N of each row, for a threshold that decays with position; None for a constant
            one.
        thresholds: how many are tried, at equal shares of the finite confidences.

    Raises:
        ValueError: a retention outside (0, 1], or rows of one group.
    """
    if len(np.unique(groups)) < 2:
        raise ValueError("exit_depth: all rows are of one group, and none is left without it")
    if not 0 < retention <= 1:
        raise ValueError(f"exit_depth: retention must be in (0, 1], got {retention}")
    grid = np.append(spread(confidence, thresholds), np.inf)
    sums = []
    for threshold in grid:
        line = threshold if position is None else 0.9 * threshold + 0.1 * np.exp(-4 * position)
        found = early_exit(confidence, tokens, final, line)
        sums.append([np.bincount(groups, x) for x in (found.layer, found.kept)])
    depth, kept = np.moveaxis(np.array(sums, dtype=np.float64), 0, 1)  # each (thresholds, groups)
    count = np.bincount(groups).astype(np.float64)
    without = [
        depth_at(
            *((x.sum(1) - x[:, g]) / (count.sum() - count[g]) for x in (depth, kept)), retention
        )
        for g in range(len(count))
    ]
    whole = depth_at(depth.sum(1) / count.sum(), kept.sum(1) / count.sum(), retention)
    return Jackknife(whole, np.array(without), count[None], len(final), "positive")


def depth_at(
    depth: Float[np.ndarray, " t"], kept: Float[np.ndarray, " t"], retention: float
) -> float:
    """The depth at which this share is kept, by linear interpolation along the curve.

    Args:
        depth: mean exit layer of each threshold.
        kept: retention of each threshold.
        retention: the share asked for; the largest depth where no threshold keeps so much.

    Example:
        >>> depth_at(np.array([1.0, 3.0]), np.array([0.5, 1.0]), 0.75)
        2.0
    """
    order = np.lexsort((kept, depth))
    best = np.maximum.accumulate(kept[order])
    rises = np.append(True, np.diff(best) > 0)
    return float(np.interp(retention, best[rises], depth[order][rises]))


def spread(confidence: Float[np.ndarray, "layers n"], count: int = 100) -> Float[np.ndarray, " t"]:
    """Thresholds at equal shares of the finite confidences: lenses differ in how sure they are of
    themselves.

    Raises:
        ValueError: no finite confidence.
    """
    finite = confidence[np.isfinite(confidence)]
    if not len(finite):
        raise ValueError("spread: no confidence is finite, so there are no thresholds")
    return np.unique(np.quantile(finite, np.linspace(0, 1, count + 1), method="lower"))


def threshold_for(
    confidence: Float[np.ndarray, "layers n"],
    tokens: Int[np.ndarray, "layers n"],
    final: Int[np.ndarray, " n"],
    retention: float = 0.95,
    grid: Float[np.ndarray, " t"] | None = None,
) -> float:
    """The threshold of the earliest mean exit that keeps this share of the final tokens, on these
    rows.

    Args:
        confidence: as for `early_exit`.
        tokens: as for `early_exit`.
        final: the network's own tokens.
        retention: share of rows that must keep theirs, in (0, 1].
        grid: thresholds tried; by default the hundredths of the finite confidences.

    Returns:
        A threshold; infinite (every row leaves at the last layer) where none keeps enough.

    Raises:
        ValueError: a retention outside (0, 1].
    """
    if not 0 < retention <= 1:
        raise ValueError(f"threshold_for: retention must be in (0, 1], got {retention}")
    tried = spread(confidence) if grid is None else grid
    curve = exit_curve(confidence, tokens, final, tried)
    enough = curve[:, 1] >= retention
    return float(tried[enough][curve[enough, 0].argmin()]) if enough.any() else float("inf")
