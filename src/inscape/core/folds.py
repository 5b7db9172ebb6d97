"""Folds: which rows train and which are held out.

`group_folds` keeps every group (country, document, speaker, template) whole, because rows of one
group share more than the thing asked about: with random folds a probe may answer by recognising the
group. Groups are dealt, largest first and ties in random order, to the fold that has the fewest
rows so far (longest-processing-time rule: the fullest fold is never more than 4/3 of the best
possible). Cost O(n + g log g).

Reference: Graham (1969), Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17, for
the 4/3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from inscape.core.errors import DataError

#: rows to train on, rows held out
Fold = tuple[np.ndarray, np.ndarray]


def group_codes(groups: Any, n: int | None = None) -> Int[np.ndarray, " n"]:
    """Groups of any hashable kind as integers 0 … g − 1, in order of first appearance.

    Args:
        groups: one group per row.
        n: how many rows there must be, if known.

    Returns:
        int64 codes (n,).

    Raises:
        DataError: a group is missing (None, NaN), there is not one per row, or groups are no
            single values.
    """
    values = pd.Series(
        np.asarray(groups).tolist() if isinstance(groups, np.ndarray) else list(groups),
        dtype=object,
    )
    if n is not None and len(values) != n:
        raise DataError(
            f"groups has {len(values)} entries for {n} rows; give exactly one group per row."
        )
    try:
        codes, _ = pd.factorize(values)
    except TypeError as error:
        raise DataError(
            "groups: each row has one group, a single value such as a text or a number; join "
            "several columns into one first."
        ) from error
    if (codes < 0).any():
        first = int(np.flatnonzero(codes < 0)[0])
        raise DataError(
            f"groups: {int((codes < 0).sum())} rows have no group (first: row {first + 1}); fill "
            "them in or drop those rows."
        )
    return codes.astype(np.int64)


def group_folds(
    groups: Sequence[Any] | np.ndarray, k: int, *, rng: np.random.Generator
) -> list[Fold]:
    """k folds of about equal size in which no group is in both parts.

    Args:
        groups: one group per row, any hashable values.
        k: how many folds, at least 2.
        rng: the generator that breaks ties.

    Returns:
        k pairs (train rows, held-out rows), each sorted; every row is held out exactly once.

    Raises:
        DataError: one group only, fewer groups than folds, or a missing group.

    Example:
        >>> folds = group_folds(["a", "a", "b", "c"], 3, rng=np.random.default_rng(0))
        >>> sorted(test.tolist() for _, test in folds)
        [[0, 1], [2], [3]]
    """
    codes = group_codes(groups)
    sizes = np.bincount(codes)
    _check(len(codes), k)
    if len(sizes) == 1:
        raise DataError(
            "groups: all rows are in one group, so no group can be held out; choose another group "
            "column, or split='random'."
        )
    if len(sizes) < k:
        raise DataError(
            f"groups: {len(sizes)} groups cannot fill {k} folds; use at most {len(sizes)} folds, "
            "or split='random'."
        )
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    load, fold_of_group = np.zeros(k, dtype=np.int64), np.empty(len(sizes), dtype=np.int64)
    for group in order:
        fold = int(np.argmin(load))
        fold_of_group[group] = fold
        load[fold] += sizes[group]
    return _as_folds(fold_of_group[codes], k)


def held_groups(
    groups: Sequence[Any] | np.ndarray, k: int, *, rng: np.random.Generator
) -> Bool[np.ndarray, " n"]:
    """Which rows are of every k-th group, groups in a random order: one part to hold out, whose size
    in groups is exact and in rows is not.

    Args:
        groups: of each row; of one type that can be ordered.
        k: one in so many groups.
        rng: of the order.

    Raises:
        ValueError: k below 2.

    Example:
        >>> held_groups(["a", "a", "b"], 2, rng=np.random.default_rng(0)).tolist()
        [True, True, False]
    """
    if k < 2:
        raise ValueError(f"held_groups: k must be at least 2, got {k}")
    own = np.asarray(groups)
    return np.isin(own, rng.permutation(np.unique(own))[::k])


def random_folds(n: int, k: int, *, rng: np.random.Generator) -> list[Fold]:
    """k folds of n rows at random, sizes equal to within one.

    Args:
        n: how many rows.
        k: how many folds, at least 2 and at most n.
        rng: the generator.

    Returns:
        k pairs (train rows, held-out rows), each sorted; every row is held out exactly once.

    Raises:
        DataError: fewer rows than folds.
    """
    _check(n, k)
    return _as_folds(rng.permutation(np.arange(n) % k), k)


def stratified_folds(
    labels: Int[np.ndarray, " n"], k: int, *, rng: np.random.Generator
) -> list[Fold]:
    """k random folds in which every class is spread as evenly as its count allows.

    Args:
        labels: class of each row, integers.
        k: how many folds, at least 2 and at most n.
        rng: the generator.

    Returns:
        k pairs (train rows, held-out rows), each sorted; every row is held out exactly once.

    Raises:
        DataError: fewer rows than folds.
    """
    n = len(labels)
    _check(n, k)
    order = rng.permutation(n)
    order = order[np.argsort(labels[order], kind="stable")]
    fold_of_row = np.empty(n, dtype=np.int64)
    fold_of_row[order] = np.arange(n) % k
    return _as_folds(fold_of_row, k)


def _check(n: int, k: int) -> None:
    if k < 2:
        raise DataError(f"folds must be at least 2, got {k}.")
    if n < k:
        raise DataError(f"{n} rows cannot fill {k} folds; use fewer folds or more rows.")


def _as_folds(fold_of_row: np.ndarray, k: int) -> list[Fold]:
    return [(np.flatnonzero(fold_of_row != f), np.flatnonzero(fold_of_row == f)) for f in range(k)]
