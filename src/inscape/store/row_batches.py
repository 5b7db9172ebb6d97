"""Streams of batches: every row of some columns once, in order or mixed, read ahead.

In order, a block is read and cut into batches. Mixed, several blocks of neighbouring rows from
anywhere are read in one place and each batch is drawn from all of them: long reads for the disk,
mixed rows for the learner.

Cost: the reading; for mixing one more copy. Memory of two blocks, or of two pools of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

Spans = list[tuple[int, int]]
#: gives the rows of some spans, one after the other, by column
Read = Callable[[Spans], Mapping[str, np.ndarray]]


class Block(NamedTuple):
    """Some rows of a store.

    Attributes:
        rows: which rows of `Store.frame` they are, (size,) int64.
        vectors: site's name → (size, width) float32.
    """

    rows: np.ndarray
    vectors: dict[str, np.ndarray]


def in_order(read: Read, total: int, size: int, block: int) -> Iterator[Block]:
    """Batches of `size` rows of `total`, reading about `block` rows at a time."""
    step = max(1, block // size) * size
    for rows, vectors in _ahead(read, [[(a, min(a + step, total))] for a in range(0, total, step)]):
        for a in range(0, len(rows), size):
            yield Block(rows[a : a + size], {name: x[a : a + size] for name, x in vectors.items()})


def shuffled(
    read: Read, total: int, size: int, block: int, pool: int, rng: np.random.Generator
) -> Iterator[Block]:
    """The same of mixed rows: `pool` blocks at a time, which come in random order."""
    starts = rng.permutation(np.arange(0, total, block))
    pools = [np.sort(starts[i : i + pool]).tolist() for i in range(0, len(starts), pool)]
    rest: Block | None = None
    for rows, vectors in _ahead(
        read, [[(a, min(a + block, total)) for a in some] for some in pools]
    ):
        order, done = rng.permutation(len(rows)), 0
        while done < len(order):
            chosen = order[done : done + size - (0 if rest is None else len(rest.rows))]
            done += len(chosen)
            # mode="clip" lets numpy write the rows straight into their place
            mixed = Block(
                rows[chosen],
                {name: np.take(x, chosen, axis=0, mode="clip") for name, x in vectors.items()},
            )
            mixed = mixed if rest is None else _joined(rest, mixed)
            rest = mixed if len(mixed.rows) < size else None
            if rest is None:
                yield mixed
    if rest is not None:
        yield rest


def _ahead(read: Read, pools: list[Spans]) -> Iterator[tuple[np.ndarray, Mapping[str, np.ndarray]]]:
    """Rows and vectors of one list of spans after the other; the next is read while this one is
    used.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="inscape-store-ahead") as thread:
        coming = [thread.submit(read, pools[0])] if pools else []
        for number, spans in enumerate(pools):
            found = coming.pop().result()
            if number + 1 < len(pools):
                coming.append(thread.submit(read, pools[number + 1]))
            yield np.concatenate([np.arange(a, b) for a, b in spans]), found


def _joined(a: Block, b: Block) -> Block:
    vectors = {name: np.concatenate([x, b.vectors[name]]) for name, x in a.vectors.items()}
    return Block(np.concatenate([a.rows, b.rows]), vectors)
