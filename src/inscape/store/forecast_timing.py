"""How fast a harvest will be, timed on a few of its batches and a small store that is written and
removed.

Batches are sorted by length and cut into strata of equal padded tokens; the middle batch of each is
captured as a harvest would and timed, and stands for its stratum:

    seconds ≈ Σ_strata tokens(stratum) × seconds(middle batch) / tokens(middle batch)

The batch with most padded tokens comes first and is not counted: it warms the network up and shows
the most memory. The prefixes that a batch follows are timed apart, since a harvest computes them
once.

Cost: ``strata`` + 1 batches, fewer where `limit` seconds are spent; one write of at most 16 MB.
Reference: stratified sampling, Cochran (1977), Sampling techniques, ch. 5.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from inscape.core.free_space import existing
from inscape.core.site import Site
from inscape.core.workplace import sweep, workplace
from inscape.store import generated_names
from inscape.store import manifest as manifests
from inscape.store.capture import Shard, capture
from inscape.store.disk_dtypes import site_entry
from inscape.store.forward_passes import ForwardPasses
from inscape.store.inputs import Inputs
from inscape.store.rows import ExampleColumns, shard_table, store_schema
from inscape.store.storage import LocalFolder, Storage
from inscape.store.subset_inputs import SubsetInputs
from inscape.store.writer import Writer, disk_errors

_WRITTEN = 16 << 20
_NAME = "inscape-plan"


class TimedPasses(NamedTuple):
    """What the sampled batches took.

    Attributes:
        batches: how many were timed.
        tokens: their padded tokens.
        seconds: their time.
        estimate: seconds that all batches would take, without the prefixes that they follow.
        prefix_token: seconds that a token of a prefix takes; 0 where none is shared.
        shard: rows of the batch with most tokens.
    """

    batches: int
    tokens: int
    seconds: float
    estimate: float
    prefix_token: float
    shard: Shard


class TimedWriting(NamedTuple):
    """What the sample store took.

    Attributes:
        vectors: bytes of vectors in it; 0 if the sample had no rows.
        bytes: bytes of the shards.
        seconds: from the first of them to the last commit.
        table_bytes, table_seconds: of the table of the examples, which is written whole.
    """

    vectors: int
    bytes: int
    seconds: float
    table_bytes: int = 0
    table_seconds: float = 0.0


def time_passes(
    model: Any,
    inputs: Inputs,
    sites: Sequence[Site],
    steps: ForwardPasses,
    *,
    wide: dict[Site, int],
    dtype: str,
    strata: int,
    limit: float,
) -> TimedPasses:
    """Capture a representative few of the batches, each as a harvest would, and say what all of
    them would take.

    Args:
        model: runs batches.
        inputs: what they are batches of.
        sites: what is captured.
        steps: every batch.
        wide: width of each site.
        dtype: of the disk.
        strata: how many batches to time.
        limit: seconds after which no more are, once one is.
    """
    tokens = steps.tokens
    order = np.lexsort((steps.longest, steps.behind))
    prefix_seconds, prefix_tokens = 0.0, 0
    reached = np.cumsum(tokens[order])
    parts = np.minimum((reached - 1) * strata // reached[-1], strata - 1)

    def took(which: int) -> tuple[float, Shard]:
        nonlocal prefix_seconds, prefix_tokens
        step = steps[which]
        part = SubsetInputs(inputs, step.members)
        part.looked = (int(tokens.max()), 0)  # the passes alone are timed
        start = time.perf_counter()
        if step.rows and part.sharing is not None:
            needed = sorted({row.which for row in step.rows})
            part.sharing.held(model, needed, sites, int(tokens[which]))
            prefix_seconds += time.perf_counter() - start
            prefix_tokens += sum(len(part.sharing.common[i].ids) for i in needed)
            start = time.perf_counter()
        shard = capture(
            model,
            part,
            sites,
            (0, len(part)),
            wide=wide,
            dtype=dtype,
            budget=int(tokens[which]),
            overhead=int(tokens[which]),  # so dear that the batch is not cut again
            nonfinite="keep",
            report=lambda *_: None,
        )
        return time.perf_counter() - start, shard

    begun = time.perf_counter()
    shard = took(int(tokens.argmax()))[1]
    prefix_seconds, prefix_tokens = 0.0, 0
    seconds, counted, estimate, done = 0.0, 0, 0.0, 0
    for part in np.unique(parts):
        if done and time.perf_counter() - begun > limit:
            break
        members = order[parts == part]
        middle = int(members[len(members) // 2])
        one, _ = took(middle)
        seconds, counted, done = seconds + one, counted + int(tokens[middle]), done + 1
        estimate += one * float(tokens[members].sum()) / float(tokens[middle])
    covered = float(sum(tokens[order[parts == part]].sum() for part in np.unique(parts)[:done]))
    rate = prefix_seconds / prefix_tokens if prefix_tokens else 0.0
    return TimedPasses(
        done, counted, seconds, estimate * float(tokens.sum()) / covered, rate, shard
    )


def remove_killed_trials(where: Storage) -> None:
    """Remove the small stores of forecasts that were killed, where one of this place would be; no
    other file.
    """
    if isinstance(where, LocalFolder):
        sweep(existing(where.path), _NAME)


def check_destination(where: Storage) -> None:
    """Refuse a place that no store may be begun in, and remove the small stores of forecasts that
    were killed beside it.

    Raises:
        StoreError: it holds files of somebody else, or may not be looked at.
    """
    with disk_errors(where, "write to"):
        remove_killed_trials(where)
        if not manifests.present(where):
            generated_names.refuse_foreign(where, generated_names.STORE)


def time_writing(
    folder: Path, shard: Shard, side: ExampleColumns, recipe: dict[str, Any], most: int
) -> TimedWriting:
    """Write a shard's rows, over and over up to `most` bytes or 16 MB, as a store beside `folder`;
    then remove it.

    Args:
        folder: where the store would be.
        shard: some rows.
        side: the columns beside the vectors, of all examples.
        recipe: of the harvest.
        most: bytes of all vectors.

    Raises:
        StoreError: nothing can be written there.
    """
    entries = {str(s): site_entry(s, x.shape[1], recipe["dtype"]) for s, x in shard.vectors.items()}
    vectors = sum(x.nbytes for x in shard.vectors.values())
    if not vectors:
        return TimedWriting(0, 0, 0.0)
    times = max(1, min(most, _WRITTEN) // vectors)
    head = {"sites": entries, "columns": side.names}
    with ExitStack() as stack:
        with disk_errors(folder, "write to"):
            place = stack.enter_context(workplace(existing(folder), _NAME))
        start = time.perf_counter()
        with Writer(place / "store", recipe, store_schema(side, entries), head) as writer:
            begun = time.perf_counter()
            table = shard_table(shard, side, writer.schema)
            again = table.take(pa.array(np.arange(len(table) * times) % len(table)))
            writer.put(again, {"examples": (0, len(side.table)), "nonfinite": {}})
            writer.finish()
        seconds = time.perf_counter() - begun
        kept = [f for f in (place / "store").rglob("*") if f.is_file()]
        sizes = {f.relative_to(place / "store").as_posix(): f.stat().st_size for f in kept}
    shards = sum(size for name, size in sizes.items() if name.startswith("data/"))
    beside = sum(size for name, size in sizes.items() if name.startswith("examples-"))
    return TimedWriting(vectors * times, shards, seconds, beside, begun - start)
