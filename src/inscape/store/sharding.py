"""How a harvest is cut into shards, and which of its inputs are identical.

Shards are runs of neighbouring examples, small enough to hold in memory. The plan of a shard
depends on nothing but its examples, which is what makes a harvest resumable and identical when
resumed. Cost: linear in the examples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int, UInt64

#: bytes of vectors a shard: what is lost at most when a harvest is killed, and what is held in
# memory
SHARD_BYTES = 32 << 20
_SENT = 128 << 20  # bytes of a shard's arrays
_MOST_ROWS = 1_000_000
_PARTS = 16  # that hashes are compared in


def shard_rows(row_bytes: int, shard_bytes: int, input_bytes: int = 0) -> int:
    """The most rows of a shard.

    Args:
        row_bytes: of the vectors of one row.
        shard_bytes: of vectors a shard.
        input_bytes: of what is sent to a worker for a row, which is bounded too; 0 where that is
            little.
    """
    most = min(
        _MOST_ROWS, shard_bytes // row_bytes, _SENT // input_bytes if input_bytes else _MOST_ROWS
    )
    return max(1, most)


def cut_into_shards(
    rows: Sequence[int] | Int[np.ndarray, " n"], most: int
) -> list[tuple[int, int]]:
    """Cut examples into neighbouring runs of at most `most` rows.

    Args:
        rows: rows that each example will have (its positions).
        most: the most rows a shard holds; an example with more is a shard of its own.

    Returns:
        Half-open ranges of examples, in order, covering all of them.

    Example:
        >>> cut_into_shards([1, 1, 1, 5, 1], 2)
        [(0, 2), (2, 3), (3, 4), (4, 5)]
    """
    reached = np.cumsum(np.asarray(rows, dtype=np.int64))
    ranges, start, before = [], 0, 0
    while start < len(reached):
        # as many as fit, and the first that has rows whatever it has
        fits = int(np.searchsorted(reached, before + most, side="right"))
        first = int(np.searchsorted(reached, before, side="right"))
        stop = min(max(fits, first + 1), len(reached))
        ranges.append((start, stop))
        start, before = stop, int(reached[stop - 1])
    return ranges


def unique_inputs(keys: Iterable[bytes]) -> tuple[Int[np.ndarray, " u"], Int[np.ndarray, " n"]]:
    """The first of each run of identical inputs, and which of those each input is.

    Inputs are told apart by a hash of 128 bits (BLAKE2b), so that no more is held of each.

    Example:
        >>> first, which = unique_inputs([b"a", b"b", b"a"])
        >>> first.tolist(), which.tolist()
        ([0, 1], [0, 1, 0])
    """
    joined = bytearray()
    for key in keys:
        joined += hashlib.blake2b(key, digest_size=16).digest()
    hashes = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
    bits = np.frombuffer(joined, dtype=np.uint8)[::16] % _PARTS
    leader = np.empty(len(hashes), dtype=np.int32 if len(hashes) < 2**31 else np.int64)
    for part in range(_PARTS):  # so that little is sorted at a time
        members = np.flatnonzero(bits == part)
        leader[members] = members[_first_alike(hashes[members])]
    del bits, hashes, joined
    fresh = leader == np.arange(len(leader), dtype=leader.dtype)
    rank = np.cumsum(fresh, dtype=leader.dtype)
    which = rank[leader].astype(np.int64)
    which -= 1
    return np.flatnonzero(fresh), which


def _first_alike(hashes: UInt64[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """For each hash the first that is the same."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))  # stable: the first of a run comes first
    fresh = np.ones(len(order), dtype=bool)
    fresh[1:] = (hashes[order[1:]] != hashes[order[:-1]]).any(axis=1)
    first = np.empty_like(order)
    first[order] = order[fresh][np.cumsum(fresh) - 1]
    return first
