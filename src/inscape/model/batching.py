"""In what order examples are computed: near-equal lengths together, under a budget of padded
tokens.

A batch costs its count times its longest length, plus what any pass costs however small (the
weights are read once). So examples are sorted by length and the sorted list is cut where the sum
over batches is least,

    minimise Σ_batches (count × longest + overhead)   with   count × longest ≤ budget,

exactly, by dynamic programming over the cuts.

Cost: O(n log n + n × largest batch), a tenth of a second for ten thousand examples.
Reference: length-bucketed batching, Khomenko et al. 2016, arXiv:1708.05604.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

_NEVER = np.iinfo(np.int64).max
#: what one more pass costs, in tokens: measured at 30 to 90 for 135 M weights on one core
OVERHEAD = 40
#: padded tokens a batch, and what a pass costs besides in tokens: a few cores are busy with little,
# an accelerator is not
CPU, ACCELERATOR = (1024, OVERHEAD), (16_384, 1000)


def batches_by_length(
    lengths: Sequence[int] | Int[np.ndarray, " n"], token_budget: int, overhead: int = OVERHEAD
) -> list[Int[np.ndarray, " _"]]:
    """Group examples into batches of at most `token_budget` padded tokens, the longest first.

    Args:
        lengths: tokens of each example, at least 1 each.
        token_budget: the most that count × longest may be; a longer example is a batch of its own.
        overhead: what a pass costs besides its padded tokens, in tokens.

    Returns:
        Index arrays that partition ``range(n)``; within a batch lengths fall, ties keep the order
        given.

    Raises:
        ValueError: a budget below 1, or an example with no tokens.

    Example:
        >>> [b.tolist() for b in batches_by_length([3, 9, 3, 8], 18)]
        [[1, 3], [0, 2]]
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    if token_budget < 1:
        raise ValueError(f"batches_by_length: token_budget must be at least 1, got {token_budget}")
    if len(lengths) and lengths.min() < 1:
        raise ValueError(
            f"batches_by_length: example {int(lengths.argmin())} has no tokens; remove empty inputs"
        )
    if len(lengths) and lengths.min() == lengths.max():
        # arrays, and there may be millions: the fewest passes cost least, and nothing need be
        # searched
        most = max(1, token_budget // int(lengths[0]))
        return [
            np.arange(start, min(len(lengths), start + most))
            for start in range(0, len(lengths), most)
        ]
    order = np.argsort(-lengths, kind="stable")
    longest = lengths[order]
    least = np.zeros(len(order) + 1, dtype=np.int64)  # least[j]: cost of the first j examples
    cut = np.zeros(len(order) + 1, dtype=np.int64)  # cut[j]: where the last of their batches starts
    first = 0
    for j in range(1, len(order) + 1):
        # starts only move on: a start whose batch up to j passes the budget passes it for every
        # later j
        while first < j - 1 and (j - first) * longest[first] > token_budget:
            first += 1
        starts = np.arange(first, j)
        sizes = (j - starts) * longest[first:j]
        costs = np.where(
            (sizes <= token_budget) | (starts == j - 1), least[first:j] + sizes + overhead, _NEVER
        )
        best = int(costs.argmin())
        least[j], cut[j] = costs[best], first + best
    batches = []
    end = len(order)
    while end:
        batches.append(order[cut[end] : end])
        end = int(cut[end])
    return batches[::-1]


def batches_alike(
    lengths: Int[np.ndarray, " n"],
    kinds: Int[np.ndarray, " n"],
    token_budget: int,
    overhead: int = OVERHEAD,
) -> list[Int[np.ndarray, " _"]]:
    """`batches_by_length` among examples of one kind; see `inscape.model.lengths`.

    Example:
        >>> [b.tolist() for b in batches_alike(np.array([3, 9, 3, 8]), np.array([0, 1, 0, 1]), 100)]
        [[0, 2], [1, 3]]
    """
    lengths, kinds = np.asarray(lengths, dtype=np.int64), np.asarray(kinds)
    found = []
    for kind in np.unique(kinds).tolist():
        members = np.flatnonzero(kinds == kind)
        found += [members[b] for b in batches_by_length(lengths[members], token_budget, overhead)]
    return found


def limits(device: str) -> tuple[int, int]:
    """Padded tokens a batch and what a pass costs besides, on a kind of device: ``cpu``,
    ``cuda`` …
    """
    return CPU if device == "cpu" else ACCELERATOR
