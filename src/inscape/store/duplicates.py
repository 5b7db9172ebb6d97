"""Duplicate inputs, found once over all examples: computed and stored once, and expanded when rows
are read.

Two examples are the same input if the same tokens or values reach the network and the same
positions are kept. A harvest is of the distinct inputs, in the order in which each comes first; the
table of the examples says which of them each example is; and rows are put in the examples' order
where they are read:

    rows(example i) = rows(input which[i])

So a shard depends on no other, whoever computes it, and nothing is held for a repetition that may
come later.

Cost: a hash an example and a sort of those; where inputs repeat, reading them copies their rows
once more.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from inscape.store import sharding
from inscape.store.inputs import Inputs
from inscape.store.subset_inputs import SubsetInputs

#: the column of the table of the examples that says which distinct input each is
COLUMN = "input"


def deduplicate(inputs: Inputs) -> tuple[Inputs, Int[np.ndarray, " n"] | None]:
    """The distinct inputs, and which of them each example is; None, and the inputs themselves, if
    no two are the same.
    """
    members, which = sharding.unique_inputs(inputs.key(i) for i in range(len(inputs)))
    return (SubsetInputs(inputs, members), which) if len(members) < len(inputs) else (inputs, None)


def expand_rows(
    which: Int[np.ndarray, " n"], row_input: Int[np.ndarray, " rows"], count: int | None = None
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Where the rows of examples are among those of their inputs.

    Args:
        which: the input that each example is.
        row_input: the input that each row is of, ascending.
        count: how many rows there must be in the end, where that is known.

    Returns:
        For every row of every example, in order: the row of its input, and the number of the
        example in `which`.

    Raises:
        ValueError: there are more rows, or fewer, than `count`.

    Example:
        >>> rows, examples = expand_rows(np.array([0, 1, 0]), np.array([0, 0, 1]))
        >>> rows.tolist(), examples.tolist()
        ([0, 1, 2, 0, 1], [0, 0, 1, 2, 2])
    """
    starts = np.searchsorted(row_input, which, side="left")
    counts = np.searchsorted(row_input, which, side="right") - starts
    if count is not None and int(counts.sum()) != count:
        raise ValueError(f"its examples have {int(counts.sum()):,} rows and not {count:,}")
    return concatenated_ranges(starts, counts), np.repeat(np.arange(len(which)), counts)


def concatenated_ranges(starts: np.ndarray, counts: np.ndarray) -> Int[np.ndarray, " m"]:
    """The integers of several runs, one after the other: start, start + 1 … of each.

    Example:
        >>> concatenated_ranges(np.array([5, 0]), np.array([2, 3])).tolist()
        [5, 6, 0, 1, 2]
    """
    before = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.repeat(starts - before, counts) + np.arange(int(counts.sum()))
