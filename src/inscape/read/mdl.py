"""Minimum description length of labels given a representation, by online coding.

    L = n₁ log₂ k − Σ_i log₂ p_i(y in block i | x)         p_i fitted on all rows before the block

A probe that reaches the same accuracy from fewer rows has a shorter code: unlike accuracy, the
length counts the effort of finding the label. The first block is sent without a probe, k being the
number of classes. Beside the length stand the uniform code's, n log₂ k, their ratio (compression),
and lengths of other label sets over the same rows: shuffles, or a control task
(`inscape.read.control_task`). All label sets share each block's eigenbasis and are fitted at once;
C is chosen on the rows before the block alone.

Cost: one batched logistic fit a block, eleven with the default fractions.
Reference: Voita and Titov (2020), Information-theoretic probing with minimum description length,
arXiv:2003.12298, §3.2; Hewitt and Liang (2019), arXiv:1909.03368.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from scipy.special import log_softmax

from inscape.core import logistic, ridge
from inscape.core.folds import group_codes

#: where blocks end, as shares of the rows
FRACTIONS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Codelength:
    """Lengths of the labels' codes.

    Attributes:
        bits: online code of each label set, (t,).
        uniform: n log₂ k, the code that knows nothing.
        ends: rows sent after each block, (b,).
        blocks: bits of each block, (b, t); the first is the uniform code's.
    """

    bits: Float[np.ndarray, " t"]
    uniform: float
    ends: Int[np.ndarray, " b"]
    blocks: Float[np.ndarray, "b t"]

    @property
    def compression(self) -> Float[np.ndarray, " t"]:
        """Uniform length over the online code's: 1 is no use at all, below 1 is harm."""
        return self.uniform / self.bits


def online_codelength(
    x: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, "n t"],
    *,
    rng: np.random.Generator,
    groups: Sequence[object] | np.ndarray | None = None,
    fractions: Sequence[float] = FRACTIONS,
    Cs: Sequence[float] = logistic.CS,
    folds: int = 3,
) -> Codelength:
    """The online code of every label set.

    Args:
        x: representations.
        labels: class codes 0 … k − 1, one column for each label set.
        rng: the order in which rows are sent.
        groups: one group per row: groups are then sent one after the other, so that a block brings
            groups never seen.
        fractions: where blocks end, ascending, the last one 1; a block that would end where the one
            before does is left out.
        Cs: grid of inverse penalties.
        folds: inner folds, on the rows sent before.

    Returns:
        The lengths.

    Raises:
        ValueError: fractions that do not ascend to 1, labels of one class only, below 0 or not one a
            row, or numbers that are not finite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(400, 3))
        >>> found = online_codelength(x, np.stack([x[:, 0] > 0, rng.random(400) > 0.5], axis=1).astype(int), rng=rng)
        >>> bool(found.compression[0] > 2 > 1.1 > found.compression[1])
        True
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.size == 0 or shares[-1] != 1 or (np.diff(shares) <= 0).any() or shares[0] <= 0:
        raise ValueError(f"online_codelength: fractions must ascend to 1, got {list(fractions)}")
    if len(labels) != len(x) or not len(x) or labels.min() < 0 or not np.isfinite(x).all():
        raise ValueError(
            f"online_codelength: needs finite x and labels 0 … k − 1 for each of its rows, got "
            f"{len(labels)} rows of labels for {len(x)} of x"
        )
    n, k = len(x), int(labels.max()) + 1
    if k < 2:
        raise ValueError(
            "online_codelength: labels hold one class only, which takes no bits; give at least two"
        )
    order = _order(n, groups, rng)
    x, labels = np.asarray(x, dtype=np.float64)[order], labels[order]
    ends = np.unique(np.maximum(1, np.round(shares * n).astype(np.int64)))
    blocks = np.zeros((len(ends), labels.shape[1]))
    blocks[0] = ends[0] * np.log2(k)
    for b, (start, end) in enumerate(pairwise(ends.tolist()), start=1):
        logits = _fit_and_predict(x[:start], labels[:start], x[start:end], k, Cs, folds, rng)
        logp = log_softmax(logits, axis=2)
        sent = np.take_along_axis(logp, labels[start:end, :, None], axis=2)[:, :, 0]
        blocks[b] = -sent.sum(axis=0) / np.log(2)
    return Codelength(blocks.sum(axis=0), float(n * np.log2(k)), ends, blocks)


def _order(
    n: int, groups: Sequence[object] | np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    if groups is None:
        return rng.permutation(n)
    codes = group_codes(groups, n)
    place = rng.permutation(int(codes.max()) + 1)[codes]
    return np.lexsort((rng.random(n), place))


def _fit_and_predict(
    x: np.ndarray,
    labels: np.ndarray,
    ahead: np.ndarray,
    k: int,
    Cs: Sequence[float],
    folds: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Logits (m, t, k) of the rows ahead. Before any penalty can be chosen the strongest one is
    used.
    """
    count = labels.shape[1]
    if len(x) < 2 or not np.ptp(x, axis=0).any():
        return np.zeros((len(ahead), count, k))
    basis, y = ridge.Rows(x).basis(), logistic.one_hot(labels, k)
    grid = np.asarray(Cs, dtype=np.float64)
    penalties = (basis.rms**2 or 1.0) / grid
    best, start = np.full(count, int(grid.argmin())), None
    if len(x) >= 2 * folds:
        part = rng.permutation(np.arange(len(x)) % folds)
        losses, starts = logistic.choose(basis.z, basis.w, y, penalties, part, tol=3e-3)
        best = losses.argmin(axis=0)
        start = np.moveaxis(starts[best, :, np.arange(count)], 0, 1)
    found = logistic.fit(basis.z, basis.w, y, penalties[best], start=start, tol=1e-3, max_iter=200)
    eta = found.logits(basis.project(ahead))
    wide = np.concatenate([np.zeros_like(eta), eta], axis=2) if eta.shape[2] == 1 else eta
    # mixed with the uniform code by one pseudo-row, so that what was never seen costs bits and not
    # infinity
    share = 1.0 / (len(x) + 1.0)
    return np.log((1 - share) * np.exp(log_softmax(wide, axis=2)) + share / k)
