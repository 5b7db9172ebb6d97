"""In what order examples are computed: near-equal lengths together, under a budget of padded tokens.

A batch costs its count times its longest length, plus what any pass costs however small (the weights are read once). So
examples are sorted by length and the sorted list is cut where the sum over batches is least,

    minimise Σ_batches (count × longest + overhead)   with   count × longest ≤ budget,

exactly, by dynamic programming over the cuts. Shards are runs of neighbouring examples, small enough to hold in memory, and
are planned each on its own: the plan of a shard depends on nothing but its examples, which is what makes a harvest
resumable and identical when resumed.

Cost: O(n log n + n × largest batch), a tenth of a second for ten thousand examples.
Reference: length-bucketed batching, Khomenko et al. 2016, arXiv:1708.05604.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int

_NEVER = np.iinfo(np.int64).max
#: what one more pass costs, in tokens: measured at 30 to 90 for 135 M weights on one core
OVERHEAD = 40
#: padded tokens a batch, and what a pass costs besides in tokens: a few cores are busy with little, an accelerator is not
CPU, ACCELERATOR = (1024, OVERHEAD), (16_384, 1000)
#: bytes of vectors a shard: what is lost at most when a harvest is killed, and what is held in memory
SHARD_BYTES = 32 << 20
_SENT = 128 << 20  # bytes of a shard's arrays
_MOST_ROWS = 1_000_000


def batches_by_length(
    lengths: Sequence[int] | Int[np.ndarray, " n"], token_budget: int, overhead: int = OVERHEAD
) -> list[Int[np.ndarray, " _"]]:
    """Group examples into batches of at most `token_budget` padded tokens, the longest first.

    Args:
        lengths: tokens of each example, at least 1 each.
        token_budget: the most that count × longest may be; a longer example is a batch of its own.
        overhead: what a pass costs besides its padded tokens, in tokens.

    Returns:
        Index arrays that partition ``range(n)``; within a batch lengths fall, ties keep the order given.

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
        # arrays, and there may be millions: the fewest passes cost least, and nothing need be searched
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
        # starts only move on: a start whose batch up to j passes the budget passes it for every later j
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
    """Padded tokens a batch and what a pass costs besides, on a kind of device: ``cpu``, ``cuda`` …"""
    return CPU if device == "cpu" else ACCELERATOR


def shard_rows(row_bytes: int, shard_bytes: int, input_bytes: int = 0) -> int:
    """The most rows of a shard.

    Args:
        row_bytes: of the vectors of one row.
        shard_bytes: of vectors a shard.
        input_bytes: of what is sent to a worker for a row, which is bounded too; 0 where that is little.
    """
    most = min(
        _MOST_ROWS, shard_bytes // row_bytes, _SENT // input_bytes if input_bytes else _MOST_ROWS
    )
    return max(1, most)


def shards(rows: Sequence[int] | Int[np.ndarray, " n"], most: int) -> list[tuple[int, int]]:
    """Cut examples into neighbouring runs of at most `most` rows.

    Args:
        rows: rows that each example will have (its positions).
        most: the most rows a shard holds; an example with more is a shard of its own.

    Returns:
        Half-open ranges of examples, in order, covering all of them.

    Example:
        >>> shards([1, 1, 1, 5, 1], 2)
        [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    ranges, start, held = [], 0, 0
    for i, count in enumerate(np.asarray(rows).tolist()):
        if held and held + count > most:
            ranges.append((start, i))
            start, held = i, 0
        held += count
    return [*ranges, (start, len(rows))] if len(rows) else ranges


def unique(keys: Iterable[bytes]) -> tuple[Int[np.ndarray, " u"], Int[np.ndarray, " n"]]:
    """The first of each run of identical inputs, and which of those each input is.

    Inputs are told apart by a hash of 128 bits (BLAKE2b), so that no more is held of each.

    Example:
        >>> first, which = unique([b"a", b"b", b"a"])
        >>> first.tolist(), which.tolist()
        ([0, 1], [0, 1, 0])
    """
    joined = bytearray()
    for key in keys:
        joined += hashlib.blake2b(key, digest_size=16).digest()
    hashes = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable: the first of a run comes first
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (hashes[order[1:]] != hashes[order[:-1]]).any(1)
    first = order[fresh]
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    which = np.empty(len(order), dtype=np.int64)
    which[order] = rank[np.cumsum(fresh) - 1]
    return np.sort(first), which
