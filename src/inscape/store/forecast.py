"""Forecast: what a harvest will take, before anything is spent: bytes, memory, tokens and seconds.

Rows, tokens, batches and shards are not guessed but planned exactly as the harvest plans them.
Seconds come from a few of its batches, and seconds and bytes of writing from a small store that is
written where it would go and removed (`inscape.store.forecast_timing`). Writing runs beside
computing, so

    seconds = preparing + max(passes, writing) + writing of the last shard
    memory  = this process at its highest so far, the batch with most tokens included + three shards

Where disk or memory do not suffice, it names what would.

Cost: tokenising and hashing, as a harvest starts; then at most `limit` seconds of batches and 16 MB
written.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inscape.core.errors import StoreError
from inscape.core.free_space import free_disk, free_memory
from inscape.core.site import Site
from inscape.model import batching
from inscape.model.certificate import current
from inscape.store import forecast_timing, sharding
from inscape.store import manifest as manifests
from inscape.store import recipe as recipes
from inscape.store.capture import widths
from inscape.store.duplicates import deduplicate
from inscape.store.forward_passes import ForwardPasses
from inscape.store.inputs import Inputs
from inscape.store.prefix_sharing import held_tokens
from inscape.store.prepare_inputs import prepare_inputs
from inscape.store.rows import example_columns
from inscape.store.sharding import SHARD_BYTES
from inscape.store.storage import LocalFolder, storage_at

_HELD = 3  # shards: one being computed, one waiting, one being written
_SHARD_ENTRY = 350  # bytes of the manifest that a shard's files and hashes take


@dataclass(frozen=True)
class Instead:
    """Something smaller to ask for.

    Attributes:
        ask: what.
        bytes: what it takes on disk.
        fits: whether there is room for it.
    """

    ask: str
    bytes: int
    fits: bool


@dataclass(frozen=True)
class Measured:
    """What was measured, and how much of the whole it is.

    Attributes:
        batches: batches timed.
        tokens: padded tokens in them.
        seconds: their time.
        written: bytes of vectors written and removed; 0 if the folder cannot be written to.
        write_seconds: time of that.
    """

    batches: int
    tokens: int
    seconds: float
    written: int
    write_seconds: float


@dataclass(frozen=True)
class Forecast:
    """What a harvest will take.

    Attributes:
        model, at, dtype: as asked.
        sites: site → width.
        folder: where the store would be.
        examples, rows: how many; one row is one example at one position.
        tokens: tokens of all examples.
        padded_tokens: tokens computed: distinct inputs, padded to their batches; a shared prefix
            once.
        batches, shards: how many passes and commits.
        bytes: of the finished store.
        memory: bytes of the process at its peak, the network included.
        more_memory: bytes of that which it does not hold yet.
        seconds: from the call to the finished store, the model being open.
        prepare_seconds, pass_seconds, write_seconds: its parts; writing runs beside the passes.
        free_disk, free_memory: bytes; memory None where the system does not say.
        measured: what that rests on.
        instead: what to ask for where it does not fit; empty where it does.
        problem: why the folder cannot be written to, or empty.
    """

    model: str
    at: str
    dtype: str
    sites: dict[str, int]
    folder: str
    examples: int
    rows: int
    tokens: int
    padded_tokens: int
    batches: int
    shards: int
    bytes: int
    memory: int
    more_memory: int
    seconds: float
    prepare_seconds: float
    pass_seconds: float
    write_seconds: float
    free_disk: int
    free_memory: int | None
    measured: Measured
    instead: tuple[Instead, ...]
    problem: str = ""

    @property
    def disk_suffices(self) -> bool:
        """Whether the store fits on the disk."""
        return self.bytes <= self.free_disk

    @property
    def memory_suffices(self) -> bool:
        """Whether what it does not hold yet can be had."""
        return self.free_memory is None or self.more_memory <= self.free_memory

    @property
    def fits(self) -> bool:
        """Whether the harvest can be done as asked."""
        return self.disk_suffices and self.memory_suffices and not self.problem

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "fits": self.fits}


def forecast(
    model: Any,
    examples: Any,
    sites: Any,
    *,
    at: str = "last",
    to: str | Path | None = None,
    dtype: str = "float32",
    budget: int | None = None,
    prompt: str | None = None,
    prefix: bool = True,
    shard_bytes: int = SHARD_BYTES,
    strata: int = 6,
    limit: float = 20.0,
) -> Forecast:
    """Say what `inscape.store.harvest.harvest` with the same arguments will take.

    Args:
        model, examples, sites, at, to, dtype, budget, prompt, prefix, shard_bytes: as the harvest
            takes them.
        strata: how many batches to time, spread over the lengths.
        limit: seconds after which no more batches are timed.

    Returns:
        The forecast.

    Raises:
        SiteError, DataError, StoreError: as the harvest would before its first shard.
    """
    start = time.perf_counter()
    if to is not None and not isinstance(storage_at(to), LocalFolder):
        raise StoreError(
            f"{to} is an object store, whose room and speed a plan cannot measure; leave `to` out "
            "to plan the rest."
        )
    if to is not None:
        forecast_timing.check_destination(storage_at(to))
    current(model)
    wanted: list[Site] = model.select(sites)
    given = prepare_inputs(model, examples, at, prompt, wanted, prefix)
    wide = widths(model, given, wanted)
    row_bytes = sum(wide.values()) * (4 if dtype == "float32" else 2)
    limits = batching.limits(model.device.type)
    settings = {
        "prompt": prompt,
        "at": at,
        "dtype": dtype,
        "nonfinite": "refuse",
        "sites": [str(s) for s in wanted],
    }
    settings |= {"budget": budget or limits[0], "overhead": limits[1]}
    settings["shard_rows"] = given.shard_rows(row_bytes, shard_bytes)
    recipe = recipes.recipe(model, given, **settings)
    folder = recipes.cache_folder(manifests.digest(recipe)) if to is None else Path(to)
    inputs, which = deduplicate(given)
    spans = sharding.cut_into_shards(inputs.rows, recipe["shard_rows"])
    steps = ForwardPasses(inputs, spans, recipe["budget"], recipe["overhead"])
    begun = _begun(inputs, steps, recipe["budget"])
    prepare = time.perf_counter() - start

    passes = forecast_timing.time_passes(
        model, inputs, wanted, steps, wide=wide, dtype=dtype, strata=strata, limit=limit
    )
    rows = int(inputs.rows.sum())
    vectors = rows * row_bytes
    try:
        wrote, problem = (
            forecast_timing.time_writing(
                folder, passes.shard, example_columns(given, which), recipe, vectors
            ),
            "",
        )
    except StoreError as error:
        wrote, problem = forecast_timing.TimedWriting(0, 0, 0.0), str(error)
    scale = vectors / wrote.vectors if wrote.vectors else 0.0
    certificate = None if model.certificate is None else model.certificate.to_dict()
    manifest = len(json.dumps(certificate)) + _SHARD_ENTRY * len(spans)
    total = manifest + wrote.table_bytes + (int(wrote.bytes * scale) if scale else vectors)
    writing = wrote.table_seconds + wrote.seconds * max(1.0, scale)
    computing = passes.estimate + passes.prefix_token * sum(begun)
    largest = max(int(inputs.rows[slice(*span)].sum()) for span in spans) * row_bytes
    held = largest * min(_HELD, len(spans))
    disk, memory = free_disk(folder), free_memory()
    instead = _smaller(total, rows, inputs, wide, dtype, at, disk, memory) if total > disk else []
    if memory is not None and held > memory:
        instead.append(Instead(f"shard_bytes={max(1, memory // 8)}", total, total <= disk))
    return Forecast(
        model=model.name,
        at=at,
        dtype=dtype,
        sites={str(site): wide[site] for site in wanted},
        folder=str(folder),
        examples=len(given),
        rows=int(given.rows.sum()),
        tokens=int(given.lengths.sum()),
        padded_tokens=int(steps.tokens.sum()) + sum(begun),
        batches=len(steps) + len(begun),
        shards=len(spans),
        bytes=total,
        memory=_peak() + held,
        more_memory=held,
        seconds=prepare + max(computing, writing) + writing / len(spans),
        prepare_seconds=prepare,
        pass_seconds=computing,
        write_seconds=writing,
        free_disk=disk,
        free_memory=memory,
        measured=Measured(
            passes.batches, passes.tokens, passes.seconds, wrote.vectors, wrote.seconds
        ),
        instead=tuple(instead),
        problem=problem,
    )


def _begun(inputs: Inputs, steps: ForwardPasses, budget: int) -> list[int]:
    """Tokens of each pass of a prefix alone: once each where all can be held, else once a shard."""
    if inputs.sharing is None:
        return []
    sizes = [len(common.ids) for common in inputs.sharing.common]
    return (
        sizes
        if sum(sizes) <= held_tokens(budget)
        else [sizes[which] for shard in steps.prefixes for which in shard]
    )


def _smaller(
    total: int,
    rows: int,
    inputs: Inputs,
    wide: dict[Site, int],
    dtype: str,
    at: str,
    disk: int,
    memory: int | None,
) -> list[Instead]:
    """What takes less of the disk, the least loss first."""
    found = []
    if dtype == "float32":
        found.append(("bfloat16 on disk", total // 2))
    if rows > len(inputs):
        found.append((f"at last instead of {at}", total * len(inputs) // rows))
    sizes = np.cumsum(sorted(wide.values())) * (total / sum(wide.values()))
    if 0 < (fewer := int((sizes <= disk).sum())) < len(wide):
        found.append((f"{fewer} of the {len(wide)} sites", int(sizes[fewer - 1])))
    sums = sum(8 * (width + 1) ** 2 for width in wide.values())
    held = memory is None or 2 * sums <= memory  # the moments so far, and those of one shard
    return [
        *(Instead(ask, size, size <= disk) for ask, size in found),
        Instead("moments instead of vectors", sums, held and sums <= disk),
    ]


def _peak() -> int:
    """Bytes of this process's memory at its highest so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
