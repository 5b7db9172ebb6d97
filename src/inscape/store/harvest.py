"""Harvest: the activations of many sites over many examples, in one pass, into one store.

Examples are tokenised and their positions resolved; identical inputs are one
(`inscape.store.duplicates`); neighbours form shards of a few megabytes (`inscape.store.sharding`),
computed in batches of near-equal length under a token budget (`inscape.store.forward_passes`); the
model is asked for all sites at once, only at the positions kept, without its head; each finished
shard is written and committed by a thread (`inscape.store.writer`). The plan depends on the
arguments alone, so the same call after an interruption goes on after the last committed shard and,
on the same machine with the same number of threads, ends with the same bytes. Another processor
adds in another order: its vectors are equal to rounding.

Cost: one forward pass over the padded tokens; memory of three shards and one batch, whatever the
number of examples. Reference: length-bucketed batching, Khomenko et al. 2016, arXiv:1708.05604.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

from inscape.core.site import Site
from inscape.model import batching
from inscape.model.certificate import current
from inscape.store import manifest as manifests
from inscape.store import recipe as recipes
from inscape.store import sharding
from inscape.store.capture import widths
from inscape.store.disk_dtypes import DiskDtype, site_entry
from inscape.store.duplicates import deduplicate
from inscape.store.engines.choose import engine as chosen
from inscape.store.engines.local import Engine, Job
from inscape.store.forecast_timing import check_destination
from inscape.store.forward_passes import padded_tokens
from inscape.store.prepare_inputs import ExampleSource, prepare_inputs
from inscape.store.progress import Meter, Watcher
from inscape.store.rows import example_columns, shard_table, store_schema
from inscape.store.sharding import SHARD_BYTES
from inscape.store.storage import Storage, storage_at
from inscape.store.store import Store
from inscape.store.writer import Writer, refuse_other

log = logging.getLogger(__name__)


def harvest(
    model: Any,
    examples: ExampleSource,
    sites: str | Site | Sequence[str | Site],
    *,
    at: str = "last",
    to: str | Path | None = None,
    dtype: str = "float32",
    budget: int | None = None,
    prompt: str | None = None,
    nonfinite: str = "refuse",
    prefix: bool = True,
    on: str | Engine = "local",
    shard_bytes: int = SHARD_BYTES,
    progress: bool | Watcher | None = None,
) -> Store:
    """Run a model over examples once and keep the activations of sites at positions.

    Args:
        model: an opened model.
        examples: examples or plain texts; for a network that takes arrays, an array whose first
            axis is the example.
        sites: sites or patterns, such as ``"embed, resid_post.*"``.
        at: which positions of each example, as `inscape.data.positions.parse` reads them:
            ``"last"``, ``"mean"``, ``"all"``, ``"span:NAME"`` …
        to: the store's folder, or a URL such as ``s3://bucket/path``; None for the cache, where a
            finished harvest of the same recipe is reused.
        dtype: of the vectors on disk: ``float32``, ``bfloat16`` or ``float16``; the pass is in the
            model's own dtype.
        budget: padded tokens a batch.
        prompt: a template with one ``{}`` that each text is set into.
        nonfinite: ``"refuse"`` stops at a NaN or infinite activation; ``"keep"`` stores and counts
            them.
        prefix: whether a beginning that many examples share is computed once
            (`inscape.store.prefix_sharing`); values are then equal to rounding, not to the bit.
        on: where it is computed: ``"local"``; ``"ray"``, the cluster of ``RAY_ADDRESS`` or one
            started for this call; ``"ray://HOST:PORT"``; or an engine such as
            `inscape.store.engines.ray.Ray`. Vectors are the same to rounding; to the bit where the
            same computation is repeated on one machine.
        shard_bytes: bytes of vectors between two commits.
        progress: None shows a bar on a terminal, True always, False never; a callable is told
            instead.

    Returns:
        The finished store. If `to` holds an unfinished harvest of the same recipe, it is finished;
        if it holds a finished one, that is returned; if another process is computing it, that is
        waited for.

    Raises:
        ClusterError: there is no such cluster, or its workers cannot compute this.
        StoreError: the folder holds something else, or cannot be written; values that cannot be
            kept.
        SiteError: a site that the model does not have.
        DataError: an example has no position of the kind asked for.
        ModelError: what the network computes of an example depends on the others in its batch; see
            `inscape.store.rows_alone`.
    """
    _check(dtype, budget, nonfinite, shard_bytes)
    if to is not None:
        check_destination(storage_at(to))
    engine = chosen(on)
    device = engine.device(model)
    current(model)
    wanted: list[Site] = model.select(sites)
    given = prepare_inputs(model, examples, at, prompt, wanted, prefix, device)
    wide = widths(model, given, wanted)
    row_bytes = sum(wide.values()) * (4 if dtype == "float32" else 2)
    limits = batching.limits(device)
    recipe = recipes.recipe(
        model,
        given,
        device=device,
        prompt=prompt,
        at=at,
        dtype=dtype,
        nonfinite=nonfinite,
        sites=[str(site) for site in wanted],
        budget=budget or limits[0],
        overhead=limits[1],
        shard_rows=given.shard_rows(row_bytes, shard_bytes),
    )
    folder = storage_at(recipes.cache_folder(manifests.digest(recipe)) if to is None else to)
    if (found := _finished(folder, recipe)) is not None:
        return found
    inputs, which = deduplicate(given)
    side = example_columns(given, which)
    head = {
        "model": model.name,
        "examples": len(given),
        "rows_with_repeats": None if which is None else int(given.rows.sum()),
        "sites": {str(site): site_entry(site, wide[site], dtype) for site in wanted},
        "columns": side.names,
        "certificate": None if model.certificate is None else model.certificate.to_dict(),
        "inscape": version("inscape"),
    }
    ranges = sharding.cut_into_shards(inputs.rows, recipe["shard_rows"])
    costs = [padded_tokens(inputs, span, recipe["budget"], recipe["overhead"]) for span in ranges]
    with Writer(folder, recipe, store_schema(side, head["sites"]), head, progress) as writer:
        if writer.manifest["finished"] is not None:
            return Store.open(folder)  # by another process, which was waited for
        done = writer.shards
        if done:
            log.info("%s: resuming after %d of %d shards", folder, done, len(ranges))
        left = int(inputs.rows[ranges[done][0] :].sum()) if done < len(ranges) else 0
        with Meter(f"harvest {model.name}", left, sum(costs[done:]), progress) as meter:
            job = Job(
                model, inputs, wanted, wide, dtype, recipe["budget"], recipe["overhead"], nonfinite
            )
            with closing(engine.shards(job, ranges[done:], meter.advance)) as shards:
                for span, shard in zip(ranges[done:], shards, strict=True):
                    writer.put(
                        shard_table(shard, side, writer.schema),
                        {"examples": span, "nonfinite": shard.nonfinite},
                    )
        writer.finish()
    return Store.open(folder)


def _finished(folder: Storage, recipe: dict[str, Any]) -> Store | None:
    """A finished store of this recipe, if that is what the folder holds; another one is refused."""
    if not manifests.present(folder):
        return None
    manifest = manifests.read(folder)
    refuse_other(folder, manifest, recipe)
    if manifest["finished"] is None:
        return None
    log.info("%s already has this harvest", folder)
    return Store.open(folder)


def _check(dtype: str, budget: int | None, nonfinite: str, shard_bytes: int) -> None:
    if dtype not in get_args(DiskDtype):
        raise ValueError(
            f"harvest: dtype must be one of {', '.join(get_args(DiskDtype))}, got {dtype!r}"
        )
    if nonfinite not in ("refuse", "keep"):
        raise ValueError(f"harvest: nonfinite must be 'refuse' or 'keep', got {nonfinite!r}")
    if budget is not None and budget < 1:
        raise ValueError(f"harvest: budget must be at least 1 token, got {budget}")
    if shard_bytes < 1:
        raise ValueError(f"harvest: shard_bytes must be at least 1, got {shard_bytes}")
