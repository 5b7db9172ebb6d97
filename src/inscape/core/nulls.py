"""Nulls: what chance gives, by permuting labels.

A permutation is an index array, made once and used at every site, so that the *maximum over sites*
has its own null (Westfall and Young's single-step maxT): searching 31 layers for the best one is
itself a source of high scores.

    p = (1 + #{null ≥ observed}) / (K + 1)

Reference: Phipson and Smyth (2010), Permutation p-values should never be zero, arXiv:1603.05766;
Westfall and Young (1993), Resampling-based multiple testing, §2.3; Holm (1979); Benjamini and
Hochberg (1995).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from inscape.core.folds import group_codes

Shuffle = Literal["rows", "groups"]


def permutations(
    n: int,
    k: int,
    *,
    rng: np.random.Generator,
    groups: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> Int[np.ndarray, "k n"]:
    """k permutations of n rows; with `groups`, of whole groups.

    ``y[perm[i]]`` is the i-th shuffled label. With groups, each group receives the labels of one
    donor group, in a random pairing of all groups and in random order inside. Where all groups have
    the same size this is a permutation of the labels. A donor that is larger gives a sample of its
    labels. One that is smaller, of d rows for m, would make the group's mean vary too much if its
    labels were only repeated; so further donors are drawn, as many as leave the mean's variance as
    it is in the data, with equal parts a of the rows but for the last one's smaller part:

        Σ_k a_k² (ρ + (1 − ρ) / d_k) = ρ + (1 − ρ) / m            ρ: intraclass correlation of the labels

    So every group stays as clustered as groups are. With blocks that run over into the next group
    0.13 of true nulls were rejected at 0.05 (Zipf-sized groups); with labels that are only repeated
    0.01.

    Args:
        n: rows.
        k: how many permutations.
        rng: the generator.
        groups: one group per row, for block permutations.
        labels: what is shuffled, numbers (n,) or (n, targets), one column a class for classes, from
            which ρ is found by `intraclass`; without them ρ is 1, and there is one donor, whose
            labels are repeated.

    Returns:
        int64 indices (k, n).
    """
    if groups is None:
        return (
            np.stack([rng.permutation(n) for _ in range(k)])
            if k
            else np.empty((0, n), dtype=np.int64)
        )
    codes = group_codes(groups, n)
    rows = np.argsort(codes, kind="stable")
    icc = 1.0 if labels is None else intraclass(labels, codes)
    blocks = np.split(rows, np.cumsum(np.bincount(codes))[:-1])
    spread = icc + (1 - icc) / np.array([len(b) for b in blocks])  # variance of each group's mean
    out = np.empty((k, n), dtype=np.int64)
    for i in range(k):
        for receiver, first in enumerate(rng.permutation(len(blocks))):
            m, donors, wanted = len(blocks[receiver]), [int(first)], spread[receiver] * (1 + 1e-9)
            while spread[donors].sum() > len(donors) ** 2 * wanted and len(donors) < m:
                donors.append(int(rng.integers(len(blocks))))
            parts = _parts(spread[donors], wanted, m)
            drawn = [_drawn(blocks[d], int(c), rng) for d, c in zip(donors, parts, strict=True)]
            out[i, blocks[receiver]] = (
                drawn[0] if len(drawn) == 1 else rng.permutation(np.concatenate(drawn))
            )
    return out


def permutations_within(
    groups: np.ndarray, k: int, *, rng: np.random.Generator
) -> Int[np.ndarray, "k n"]:
    """k permutations of n rows that keep every row inside its group: what a group as a whole tells
    stays, what its members tell goes.

    Args:
        groups: group of each row, (n,).
        k: how many permutations.
        rng: the generator.

    Returns:
        int64 indices (k, n).

    Example:
        >>> found = permutations_within(np.array([0, 0, 0, 1]), 9, rng=np.random.default_rng(0))
        >>> set(found[:, 3].tolist()), sorted(found[0, :3].tolist())
        ({3}, [0, 1, 2])
    """
    blocks = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    out = np.empty((k, len(groups)), dtype=np.int64)
    for order in out:
        for rows in blocks:
            order[rows] = rng.permutation(rows)
    return out


def _parts(spread: np.ndarray, wanted: float, m: int) -> np.ndarray:
    """How many of m rows each donor gives: ``Σ a_k² spread_k = wanted``, all parts equal but for
    the last.
    """
    k, sum_of_others, last = len(spread), float(spread[:-1].sum()), float(spread[-1])
    if k == 1:
        return np.array([m])
    square = sum_of_others + last * (k - 1) ** 2
    root = last**2 * (k - 1) ** 2 - square * (last - wanted)
    part = (last * (k - 1) + np.sqrt(max(root, 0.0))) / square
    ends = np.rint(m * np.clip(part, 1 / k, 1 / (k - 1)) * np.arange(k + 1)).astype(int)
    ends[-1] = m
    return np.diff(np.minimum(ends, m))


def _drawn(rows: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many of the rows in random order, each as often as any other to within one."""
    whole, rest = divmod(count, len(rows))
    # rows are mixed too: a table sorted alike within its groups would keep its signal otherwise
    return rng.permutation(np.concatenate([np.tile(rows, whole), rng.permutation(rows)[:rest]]))


def intraclass(labels: np.ndarray, groups: np.ndarray) -> float:
    """Share of the labels' variance that lies between groups, by the analysis of variance, between
    0 and 1.

        ρ = (MSB − MSW) / (MSB + (n₀ − 1) MSW)          n₀ = (n − Σ n_g² / n) / (G − 1)

    Args:
        labels: numbers (n,) or (n, targets), one column a class for classes; the largest over
            columns is returned.
        groups: group of each row.

    Returns:
        The share; 1 where every row is a group of its own or all rows are one group.

    Reference: Donner (1986), International Statistical Review 54.
    """
    codes = group_codes(groups, len(labels))
    sizes = np.bincount(codes).astype(np.float64)
    count, n = len(sizes), len(codes)
    if count in (1, n):
        return 1.0
    y = np.asarray(labels, dtype=np.float64).reshape(n, -1)
    y = y - y.mean(axis=0)
    means = np.stack([np.bincount(codes, c, count) for c in y.T], axis=1) / sizes[:, None]
    between = (sizes[:, None] * means**2).sum(axis=0) / (count - 1)
    within = ((y - means[codes]) ** 2).sum(axis=0) / (n - count)
    typical = (n - (sizes**2).sum() / n) / (count - 1)
    below = between + (typical - 1) * within
    found = np.divide(between - within, below, out=np.zeros_like(below), where=below > 0)
    return float(np.clip(found.max(), 0.0, 1.0))


def p_value(
    observed: Float[np.ndarray, " *s"] | float, null: Float[np.ndarray, "*s k"]
) -> np.ndarray | float:
    """``(1 + #{null ≥ observed}) / (K + 1)`` along the last axis of `null`; never zero.

    What is not defined counts against the observation: a NaN draw as ≥, and an observation that is
    NaN gives 1.

    Raises:
        ValueError: there are no draws.
    """
    draws = null.shape[-1]
    if draws == 0:
        raise ValueError("p_value: the null has no draws; ask for at least one shuffle")
    # scores of a draw that equals the observed labelling may differ in the last digit: count it as
    # a tie
    slack = 1e-12 * np.maximum(1.0, np.abs(observed))
    return (1 + (~(null < np.expand_dims(observed - slack, -1))).sum(-1)) / (draws + 1)


def one_sided_p(
    observed: float | int, null: Float[np.ndarray, " k"], direction: str = "higher"
) -> float:
    """`p_value` on the claim's side of the null.

    Args:
        observed: the value.
        null: its draws.
        direction: ``"lower"`` where the claim is that the value lies below the null: then draws at
            or below it count; otherwise those at or above it.

    Example:
        >>> one_sided_p(0.0, np.array([1.0, 2.0, 3.0]), "lower")
        0.25
    """
    sign = -1.0 if direction == "lower" else 1.0
    return float(p_value(sign * float(observed), sign * np.asarray(null, dtype=np.float64)))


def max_null(null: Float[np.ndarray, " sites *rest"]) -> Float[np.ndarray, " *rest"]:
    """The null of the maximum over sites: per permutation, the best site of that permutation.

    Args:
        null: scores (sites, …, K); entry k of every site must come from the same permutation.
    """
    return null.max(axis=0)


def holm(p: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Holm's step-down p-values: family-wise error under any dependence.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.06, 0.06]
    """
    order, m = np.argsort(p), len(p)
    out = np.empty(m)
    out[order] = np.minimum(1.0, np.maximum.accumulate((m - np.arange(m)) * p[order]))
    return out


def benjamini_hochberg(p: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Benjamini and Hochberg's step-up p-values: false discovery rate under independence or
    positive dependence.

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).tolist()
        [0.03, 0.04, 0.04]
    """
    order, m = np.argsort(p), len(p)
    out = np.empty(m)
    scaled = m / np.arange(1, m + 1) * p[order]
    out[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return out
