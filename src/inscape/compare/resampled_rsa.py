"""Similarity of dissimilarity matrices on many resamples of their items at once, without making a
resample.

An item drawn w_i times gives the pair (i, j) the weight w_i w_j; a pair of copies of one item is at
distance zero from itself and is left out. So every resample is a weighting of the same entries:

    Σ over the resample's pairs of a b  =  ½ wᵀ(A ∘ B) w

which for all resamples is one product of (draws × n) and (n × n). Ranks come from one sort of the
entries: an entry's rank in a resample is the weight of the entries below it, plus half of its own
tie's and a half.

Cost: draws · n² for cosine and pearson, per pair of matrices; draws · n² additions for ranks, and
one sort a matrix.
Reference: Schütt et al. (2023), eLife 12:e82566 (copies of an item are left out); Kish (1965),
Survey Sampling (weights in place of copies).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Real

from inscape.compare.rsa import tied
from inscape.core.pair_matrices import checked_pairs

COMPARISONS = ("cosine", "pearson", "spearman", "rho-a")


def resampled_rsa(
    first: Float[np.ndarray, "a n n"],
    second: Float[np.ndarray, "b n n"],
    counts: Real[np.ndarray, "d _"],
    *,
    how: str = "rho-a",
) -> Float64[np.ndarray, "d a b"]:
    """Compare every matrix of one side with every matrix of the other on each resample of items.

    Args:
        first: symmetric dissimilarities of the same n items, one matrix each; the diagonal is not
            looked at.
        second: the other side's.
        counts: how often each resample holds each item; ones for the items as they are.
        how: cosine, pearson, spearman or rho-a, as in `inscape.compare.rsa`.

    Returns:
        The similarity on each resample.

    Raises:
        ValueError: an unknown comparison, a resample of fewer than 3 items that differ or with a
            negative count, matrices of other items, or one that is not symmetric or not finite or
            tells no items apart.

    Example:
        >>> a = np.array([[0.0, 1, 2], [1, 0, 4], [2, 4, 0]])[None]
        >>> resampled_rsa(a, a**2, np.array([[1.0, 1, 1], [3, 1, 1]]), how="spearman").ravel()
        array([1., 1.])
    """
    if how not in COMPARISONS:
        raise ValueError(f"resampled_rsa: how must be one of {', '.join(COMPARISONS)}, got {how!r}")
    if (few := int((counts > 0).sum(axis=1).min(initial=3))) < 3:
        raise ValueError(
            f"resampled_rsa: a resample holds {few} different items; give at least 3 to each"
        )
    sides, counts = [_hollow(m) for m in (first, second)], np.asarray(counts, dtype=np.float64)
    if len({counts.shape[1], *(side.shape[1] for side in sides)}) > 1:
        raise ValueError(
            f"resampled_rsa: matrices of {sides[0].shape[1]} and {sides[1].shape[1]} items and "
            f"counts of {counts.shape[1]}; give the same items"
        )
    if not (counts >= 0).all() or not np.isfinite(counts).all():
        raise ValueError("resampled_rsa: counts say how often an item is drawn; give 0 or more")
    apart = [m[~np.eye(len(m), dtype=bool)] for side in sides for m in side]
    if any(np.ptp(tied(entries)) == 0 for entries in apart):
        raise ValueError(
            "resampled_rsa: all entries of one dissimilarity matrix are equal; leave that site out"
        )
    if how in ("spearman", "rho-a"):
        return _of_ranks(*sides, counts, how)
    return _of_entries(*sides, counts, centre=how == "pearson")


def _hollow(matrices: np.ndarray) -> np.ndarray:
    out = checked_pairs(matrices, "resampled_rsa: a matrix", least=3).copy()
    at = np.arange(out.shape[1])
    out[:, at, at] = 0.0
    return out


def _of_entries(
    first: np.ndarray, second: np.ndarray, counts: np.ndarray, *, centre: bool
) -> np.ndarray:
    """Cosine or Pearson's correlation from weighted sums of entries, squares and products."""
    if centre:  # about any one number: the sums then keep their digits
        first, second = (_about_mean(m) for m in (first, second))

    def total(matrix: np.ndarray) -> np.ndarray:
        return np.einsum("di,di->d", counts @ matrix, counts) / 2

    products = np.stack([[total(a * b) for b in second] for a in first]).transpose(2, 0, 1)
    squares = [np.stack([total(m * m) for m in side], axis=1) for side in (first, second)]
    if centre:
        pairs = total(1 - np.eye(counts.shape[1]))[:, None]
        sums = [np.stack([total(m) for m in side], axis=1) for side in (first, second)]
        products = products - sums[0][:, :, None] * sums[1][:, None] / pairs[:, :, None]
        squares = [q - s**2 / pairs for q, s in zip(squares, sums, strict=True)]
    return products / np.sqrt(squares[0][:, :, None] * squares[1][:, None])


def _about_mean(matrices: np.ndarray) -> np.ndarray:
    n = matrices.shape[1]
    mean = matrices.sum(axis=(1, 2), keepdims=True) / (n * (n - 1))
    return (matrices - mean) * (1 - np.eye(n))


def _of_ranks(first: np.ndarray, second: np.ndarray, counts: np.ndarray, how: str) -> np.ndarray:
    """Spearman's ρ or ρ-a: ranks by cumulated weight, in the order of one sort a matrix."""
    rows, columns = np.triu_indices(counts.shape[1], 1)
    entries = [m[:, rows, columns] for m in (first, second)]
    sorts = [[_sorted(v) for v in side] for side in entries]
    out = np.empty((len(counts), len(first), len(second)))
    for k, w in enumerate(counts):
        weights = w[rows] * w[columns]
        pairs = weights.sum()
        left, right = (
            np.stack([_ranks(weights, *s) - (pairs + 1) / 2 for s in side]) for side in sorts
        )
        products = (left * weights) @ right.T
        if how == "rho-a":
            out[k] = 12 * products / (pairs**3 - pairs)
        else:
            squares = [(side**2) @ weights for side in (left, right)]
            out[k] = products / np.sqrt(np.outer(*squares))
    return out


def _sorted(entries: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The order of the entries, where each run of ties begins in it, and the run of each entry."""
    entries = tied(entries)
    order = np.argsort(entries, kind="stable")
    new = np.concatenate([[True], np.diff(entries[order]) > 0])
    run = np.empty(len(entries), dtype=np.intp)
    run[order] = np.cumsum(new) - 1
    return order, np.flatnonzero(new), run


def _ranks(
    weights: np.ndarray, order: np.ndarray, starts: np.ndarray, run: np.ndarray
) -> np.ndarray:
    """Mean rank of each entry where it stands as often as its weight says."""
    alike = np.add.reduceat(weights[order], starts)
    below = np.cumsum(alike) - alike
    return (below + (alike + 1) / 2)[run]
