"""Moments: one pass over examples that keeps statistics of sites instead of their vectors.

The pass is a harvest's: the same inputs, positions, batches and shards (`inscape.store.harvest`),
the same float32 vectors; each shard is added to the moments (`inscape.store.streamed_moments`) and
forgotten. With `to` the state is committed now and then, and the same call after an interruption
goes on from the last commit and ends with the same numbers: bit for bit on the same machine with
the same number of threads, to rounding elsewhere.

Cost: one forward pass, n d² a site for its scatter and n d e a pair; memory of one shard, its
float64 copy and the moments.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from inscape.core.centred import Centred
from inscape.core.errors import DataError, StoreError
from inscape.core.joint import Joint
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model import batching
from inscape.model.certificate import current
from inscape.store import manifest as manifests
from inscape.store import moments_files as files
from inscape.store import recipe as recipes
from inscape.store import sharding
from inscape.store.capture import Shard, capture, widths
from inscape.store.duplicates import deduplicate, expand_rows
from inscape.store.forecast_timing import remove_killed_trials
from inscape.store.forward_passes import padded_tokens
from inscape.store.inputs import Inputs
from inscape.store.prepare_inputs import ExampleSource, prepare_inputs
from inscape.store.progress import Meter, Watcher
from inscape.store.sharding import SHARD_BYTES
from inscape.store.storage import Storage, storage_at
from inscape.store.streamed_moments import StreamedMoments, loaded, merged, save
from inscape.store.writer import disk_errors, held

log = logging.getLogger(__name__)

#: pairs of sites, or ``"all"``
Pairs = str | Sequence[tuple[str | Site, str | Site]]


def moments(
    model: Any,
    examples: ExampleSource,
    sites: str | Site | Sequence[str | Site],
    *,
    at: str = "last",
    labels: Sequence[str] | None = None,
    classes: str | None = None,
    pairs: Pairs = (),
    prompt: str | None = None,
    to: str | Path | None = None,
    budget: int | None = None,
    shard_bytes: int = SHARD_BYTES,
    commit_seconds: float = 60.0,
    progress: bool | Watcher | None = None,
) -> StreamedMoments:
    """Run a model over examples once and keep moments of sites, exact in float64, whatever the
    number of examples.

    Args:
        model: an opened model.
        examples: as `inscape.store.harvest.harvest` takes them.
        sites: sites or patterns.
        at: which positions of each example are rows.
        labels: numeric columns whose cross-moments with every site are kept: what ridge needs.
        classes: a column whose values are classes, each with moments of its own: what mass-mean and
            LDA need.
        pairs: pairs of sites whose cross-moments are kept, or ``"all"``: what CKA needs.
        prompt: a template with one ``{}`` that each text is set into.
        to: a folder or URL to commit to; None keeps them in memory only.
        budget: padded tokens a batch.
        shard_bytes: bytes of vectors held at a time.
        commit_seconds: at least so long between two commits.
        progress: None shows a bar on a terminal, True always, False never; a callable is told
            instead.

    Returns:
        The moments.

    Raises:
        StoreError: NaN or infinite activations; a folder that holds something else or cannot be
            written.
        SiteError: a site that the model does not have.
        DataError: labels that are not numbers, examples without labels, or no position of the kind
            asked for.
    """
    current(model)
    wanted: list[Site] = model.select(sites)
    where = None if to is None else storage_at(to)
    if where is not None:
        with disk_errors(where, "write to", files.committed):
            remove_killed_trials(where)
            files.refuse(where)
    given = prepare_inputs(model, examples, at, prompt, wanted)
    if not given.rows.sum():
        raise DataError(
            f"no example has a position at {at!r}, so there are no rows to take moments of."
        )
    side = _Side(examples, labels, classes, _paired(model, wanted, pairs))
    wide = widths(model, given, wanted)
    limits = batching.limits(model.device.type)
    recipe = recipes.recipe(
        model,
        given,
        prompt=prompt,
        at=at,
        sites=[str(site) for site in wanted],
        budget=budget or limits[0],
        overhead=limits[1],
        shard_rows=given.shard_rows(4 * sum(wide.values()), shard_bytes),
        labels=list(labels or ()),
        classes=classes,
        pairs=[[str(a), str(b)] for a, b in side.pairs],
    )
    inputs, which = deduplicate(given)
    with ExitStack() as stack:
        if where is not None:
            with disk_errors(where, "write to", files.committed):
                files.refuse(where)  # before a lock file is made in it
                stack.enter_context(held(where, progress))
        state, done = _begun(where, recipe)
        ranges = sharding.cut_into_shards(inputs.rows, recipe["shard_rows"])
        left = ranges[done:]
        settings = {"budget": recipe["budget"], "overhead": recipe["overhead"]}
        costs = [padded_tokens(inputs, s, *settings.values()) for s in left]
        rows = int(sum(inputs.rows[slice(*span)].sum() for span in left))
        meter = stack.enter_context(Meter(f"moments {model.name}", rows, sum(costs), progress))
        settings |= {
            "wide": wide,
            "dtype": "float32",
            "nonfinite": "refuse",
            "report": meter.advance,
        }
        committed = time.monotonic()
        for number, span in enumerate(left, done + 1):
            shard = capture(model, inputs, wanted, span, **settings)
            for some in _everywhere(shard, span, which, recipe["shard_rows"]):
                part = _moments(some, side, recipe)
                state = part if state is None else merged(state, part)
                state = _one_part(state, given, number)
            if where is not None and state is not None:
                last = number == len(ranges)
                if last or time.monotonic() - committed >= commit_seconds:
                    save(state, where, finished=last)
                    committed = time.monotonic()
    assert state is not None
    return state


class _Side:
    """What is asked of rows besides the vectors: numeric labels and class codes of each example,
    pairs of sites.
    """

    def __init__(
        self,
        examples: Any,
        labels: Sequence[str] | None,
        classes: str | None,
        pairs: list[tuple[Site, Site]],
    ) -> None:
        if (labels or classes) and not isinstance(examples, Examples):
            raise DataError(
                "labels and classes are columns of examples; give an Examples table, made with "
                "inscape.load."
            )
        self.targets = examples.target(*labels) if labels else None
        self.codes, self.names = examples.classes(classes) if classes else (None, ())
        self.pairs = pairs


def _everywhere(
    shard: Shard, span: tuple[int, int], which: np.ndarray | None, most: int
) -> Iterator[Shard]:
    """A shard's rows for every example that they are of, about `most` at a time; `which` as
    `deduplicate` gives it.
    """
    if which is None:
        yield from [shard] if len(shard) else []
        return
    members = np.flatnonzero((which >= span[0]) & (which < span[1]))
    each = np.searchsorted(shard.example, which[members], "right") - np.searchsorted(
        shard.example, which[members]
    )
    for start, stop in sharding.cut_into_shards(each, most):
        rows, of = expand_rows(which[members[start:stop]], shard.example)
        if len(rows):
            vectors = {site: x[rows] for site, x in shard.vectors.items()}
            yield Shard(members[start:stop][of], shard.position[rows], shard.token[rows], vectors)


def _moments(shard: Shard, side: _Side, recipe: dict[str, Any]) -> StreamedMoments:
    """The moments of one shard's rows."""
    y = None if side.targets is None else side.targets[shard.example]
    codes = None if side.codes is None else side.codes[shard.example]
    vectors = {str(site): x.numpy().astype(np.float64) for site, x in shard.vectors.items()}
    by_class: dict[str, dict[str, Centred]] = {}
    whole: dict[str, Centred] = {}
    for name, x in vectors.items():
        if codes is None:
            whole[name] = Centred.of(x)
        else:
            found = {side.names[c]: Centred.of(x[codes == c]) for c in np.unique(codes).tolist()}
            first, *rest = found.values()
            by_class[name], whole[name] = (
                found,
                sum(rest, first),
            )  # half the work of a pass of its own
    return StreamedMoments(
        recipe,
        ({"rows": len(shard)},),
        whole,
        by_class,
        None if y is None else Centred.of(y),
        {} if y is None else {name: Joint.of(x, y) for name, x in vectors.items()},
        {(str(a), str(b)): Joint.of(vectors[str(a)], vectors[str(b)]) for a, b in side.pairs},
    )


def _one_part(state: StreamedMoments, inputs: Inputs, shards: int) -> StreamedMoments:
    """The shards so far as one part of the data."""
    recipe = state.recipe
    part = {
        "data": recipe["data"],
        "inputs": recipe["inputs"],
        "examples": len(inputs),
        "rows": len(state),
    }
    part["shards"] = shards
    return StreamedMoments(
        recipe, (part,), state.sites, state.classes, state.targets, state.labels, state.pairs
    )


def _begun(where: Storage | None, recipe: dict[str, Any]) -> tuple[StreamedMoments | None, int]:
    """What the place holds of this recipe, and how many shards of it; moments of something else are
    refused.
    """
    if where is None or not where.exists(files.NAME):
        return None, 0
    found, _ = loaded(where)
    if manifests.digest(found.recipe) != manifests.digest(recipe) or len(found.parts) != 1:
        raise StoreError(f"{where} holds moments of something else; name a new folder.")
    files.tidy(where)
    log.info("%s: resuming after %d rows", where, len(found))
    return found, int(found.parts[0]["shards"])


def _paired(model: Any, wanted: list[Site], pairs: Pairs) -> list[tuple[Site, Site]]:
    """Pairs as sites; each must be among those streamed."""
    if isinstance(pairs, str):
        if pairs != "all":
            raise ValueError(f"moments: pairs must be 'all' or pairs of sites, got {pairs!r}")
        return list(combinations(wanted, 2))
    found = [(model.select(a), model.select(b)) for a, b in pairs]
    chosen = [(a, b) for first, second in found for a in first for b in second]
    missing = [str(site) for pair in chosen for site in pair if site not in wanted]
    if missing:
        raise ValueError(
            f"moments: {missing[0]} is in a pair and not among the sites; add it to sites"
        )
    return chosen
