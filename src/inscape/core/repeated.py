"""Rows that come more than once: the same content in two groups makes the two groups one.

A row that stands in a training group and again in a held-out group is known before it is asked
about; noise whose rows are all repeated in another group is read out at an accuracy of 0.77. Rows
are compared at every site: at a single site (the embedding of a full stop) rows of different inputs
may well be the same. The answers must agree too: an input with two answers, such as the name of two
towns, gives neither away. Representations of few distinct values (lengths, one-hot columns) repeat
by nature and prove nothing.

Cost: O(n d + n log n) a site, and a connected-components search over rows and groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from inscape.core.folds import group_codes

#: a column with fewer distinct values than this share of the rows repeats by nature
DISTINCT = 0.25
#: rows of so many columns are the same within a tolerance, a share of a row's distance from the
# mean
WIDE, CLOSE = 8, 1e-4
#: neighbours along a random projection that a row is compared with
NEIGHBOURS = 4


def same_rows(before: Int[np.ndarray, " n"], x: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """Numbers that are the same where the numbers before are the same and the rows are equal.

    The same input read in two batches differs by rounding, so rows of at least `WIDE` columns are
    equal where their distance is below `CLOSE` of a row's typical distance from the mean. Narrower
    rows must be equal to the last bit: on a line different rows come close by chance.

    Args:
        before: numbers from the sites seen so far; those of the labels at first.
        x: rows of one more site.

    Example:
        >>> same_rows(np.zeros(3, dtype=np.int64), np.array([[1.0], [2.0], [1.0]])).tolist()
        [0, 1, 0]
    """
    rows = np.asarray(x, dtype=np.float64)
    n, d = rows.shape
    rows = rows - rows.mean(axis=0)
    limit = CLOSE**2 * (rows**2).sum(axis=1).mean() if d >= WIDE else 0.0
    # equal rows have equal projections, so that they are neighbours in its order; rounding may put
    # a few between them
    shadow = rows @ np.random.default_rng(0).normal(size=d)
    order = np.lexsort((shadow, before))
    one, other = [], []
    for step in range(1, min(NEIGHBOURS, n - 1) + 1):
        left, right = order[:-step], order[step:]
        near = np.flatnonzero(
            (before[left] == before[right])
            & ((shadow[left] - shadow[right]) ** 2 <= 100 * limit + 1e-24 * (shadow**2).mean())
        )
        distance = ((rows[left[near]] - rows[right[near]]) ** 2).sum(axis=1)
        near = near[distance <= limit]
        one.append(left[near])
        other.append(right[near])
    if not one:
        return np.zeros(n, dtype=np.int64)
    pairs = (np.concatenate(one), np.concatenate(other))
    edges = coo_array((np.ones(len(pairs[0])), pairs), shape=(n, n))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def continuous(x: Float[np.ndarray, "n d"], kinds: int | None = None) -> bool:
    """Whether most columns have many distinct values, so that equal rows mean the same input.

    Args:
        x: rows of one site.
        kinds: how many different rows there are; default: as many as rows. Of inputs that come five
            times each, a column has a fifth as many values as rows. One column alone has as many
            values as different rows, whatever it holds, so that of fewer than `WIDE` columns all
            rows count.
    """
    columns = x[:, :: max(1, x.shape[1] // 16)]
    count = float(np.median([len(np.unique(column)) for column in columns.T]))
    wide = kinds is not None and x.shape[1] >= WIDE
    # a column of two values is a code, however few rows there are
    return count > 2 and count >= DISTINCT * (kinds if wide and kinds is not None else len(x))


def merged_groups(
    groups: Int[np.ndarray, " n"], same: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Groups in which those that share a row are one, 0 … G′ − 1.

    Args:
        groups: 0 … G − 1.
        same: a number for each row, the same for rows of the same content.

    Example:
        >>> merged_groups(np.array([0, 0, 1, 2]), np.array([5, 6, 5, 7])).tolist()
        [0, 0, 0, 1]
    """
    count = int(groups.max()) + 1
    rows = np.unique(same, return_inverse=True)[1].reshape(-1)
    size = count + int(rows.max()) + 1
    edges = coo_array((np.ones(len(rows)), (groups, count + rows)), shape=(size, size))
    label = connected_components(edges, directed=False)[1][:count]
    return np.unique(label, return_inverse=True)[1].reshape(-1)[groups].astype(np.int64)


def groups_by_content(
    groups: Sequence[Any] | np.ndarray, inputs: Sequence[Any], labels: np.ndarray
) -> Int[np.ndarray, " n"]:
    """Groups of inputs, those that share an input with the same labels made one: 0 … G′ − 1.

    Args:
        groups: group of each input.
        inputs: texts, say; compared as strings.
        labels: (n,) or (n, targets).

    Example:
        >>> groups_by_content(["a", "b", "c"], ["San José", "San José", "Lima"], np.array([1, 1, 2])).tolist()
        [0, 0, 1]
        >>> groups_by_content(["a", "b", "c"], ["San José", "San José", "Lima"], np.array([1, 3, 2])).tolist()
        [0, 1, 2]
    """
    codes = group_codes(np.asarray(groups), len(inputs))
    answers = np.unique(np.asarray(labels), axis=0, return_inverse=True)[1].reshape(-1)
    content = np.array([f"{answer} {text}" for answer, text in zip(answers, inputs, strict=True)])
    return merged_groups(codes, group_codes(content))
