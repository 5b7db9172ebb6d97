"""Intervals: the bootstrap over groups, from sums that are made once.

Rows of one group are not independent, so groups are what is drawn again. Predictions are held out already and are not
refitted: the interval says how the score would vary with other groups, not with other training sets. For a score that is
one minus a ratio of sums (R², accuracy)

    score*_b = 1 − Σ_g c_bg L_g / Σ_g c_bg B_g        c_b ~ Multinomial(G; 1/G, …)

which is two small matrix products for all draws, sites and targets. The area under the ROC curve is a sum over pairs of
rows, hence a quadratic form in the same counts. Cost O(draws · groups · columns).

Reference: Efron and Tibshirani (1993), An introduction to the bootstrap, ch. 8 and 13; Field and Welsh (2007),
Bootstrapping clustered data, JRSS B 69.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

#: intervals that rest on fewer groups than this deserve a warning
FEW_GROUPS = 10


def group_counts(
    groups: int, draws: int, *, rng: np.random.Generator
) -> Int[np.ndarray, "draws groups"]:
    """How often each group is drawn in each bootstrap sample; the rows sum to `groups`."""
    return rng.multinomial(groups, np.full(groups, 1.0 / groups), size=draws)


def sum_by_group(
    x: Float[np.ndarray, " n *c"], codes: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " groups *c"]:
    """Sums of the rows of `x` per group, groups 0 … max(codes)."""
    out = np.zeros((int(codes.max()) + 1, *x.shape[1:]))
    np.add.at(out, codes, x)
    return out


def bootstrap_ratio(
    loss: Float[np.ndarray, " groups *c"],
    base: Float[np.ndarray, " groups *c"],
    counts: Int[np.ndarray, "draws groups"],
) -> Float[np.ndarray, " draws *c"]:
    """``1 − Σ loss / Σ base`` for every draw.

    Args:
        loss: per group, the sum of what is lost (squared errors, wrong answers).
        base: per group, the sum it is compared with (squared deviations, answers).
        counts: from `group_counts`.

    Returns:
        Scores, (draws, …).
    """
    weights = counts.astype(np.float64)
    return 1.0 - np.tensordot(weights, loss, axes=1) / np.tensordot(weights, base, axes=1)


def bootstrap_auc(
    scores: Float[np.ndarray, " n"],
    positive: np.ndarray,
    folds: Int[np.ndarray, " n"],
    codes: Int[np.ndarray, " n"],
    counts: Int[np.ndarray, "draws groups"],
) -> Float[np.ndarray, " draws"]:
    """The area under the ROC curve for every draw, comparing only rows of one fold (one fitted probe).

    Args:
        scores: decision values (n,).
        positive: which rows are of the positive class, (n,) bool.
        folds: the fold each row was held out in.
        codes: group of each row.
        counts: from `group_counts`.

    Returns:
        Areas, (draws,); a draw that holds one class only counts as NaN.
    """
    won, pairs = np.zeros(len(counts)), np.zeros(len(counts))
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        up, down = rows[positive[rows]], rows[~positive[rows]]
        if len(up) == 0 or len(down) == 0:
            continue
        order = np.argsort(scores[down], kind="stable")
        down = down[order]
        weight_up, weight_down = (
            counts[:, codes[up]].astype(np.float64),
            counts[:, codes[down]].astype(np.float64),
        )
        below = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(weight_down, axis=1)], axis=1)
        left = below[:, np.searchsorted(scores[down], scores[up], side="left")]
        right = below[:, np.searchsorted(scores[down], scores[up], side="right")]
        won += (weight_up * (left + right) / 2).sum(axis=1)
        pairs += weight_up.sum(axis=1) * weight_down.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return won / pairs


def percentile(
    draws: Float[np.ndarray, " draws *c"], level: float = 0.95
) -> Float[np.ndarray, " 2 *c"]:
    """Lower and upper end of the central `level` of the draws, NaN draws left out.

    Raises:
        ValueError: a level that is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"percentile: level must be between 0 and 1, got {level}")
    return np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)


def bootstrap_p(draws: Float[np.ndarray, " draws *c"]) -> np.ndarray | float:
    """One-sided bootstrap p that the value is above zero: ``(1 + #{draw ≤ 0}) / (draws + 1)``; a NaN draw counts as ≤ 0."""
    return (1 + (~(draws > 0)).sum(axis=0)) / (len(draws) + 1)
