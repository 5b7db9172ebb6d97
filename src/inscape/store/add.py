"""New sites for an old harvest: one more pass, new columns beside the old ones, one commit.

The pass goes shard by shard as the harvest did; each shard's new columns are a new file of its fragment, hashed and noted
in a journal, and one commit brings them all to the dataset at the end. Interrupted, the same call goes on after the last
shard of the journal; readers see the old store until the manifest is replaced.

Cost: one forward pass up to the deepest new site; memory of one shard of new vectors, cut finer where new sites are many.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
from lance.fragment import FragmentMetadata

from inscape.core.errors import StoreError
from inscape.core.site import Site
from inscape.store import key as keys
from inscape.store import manifest as manifests
from inscape.store import plan
from inscape.store.capture import capture, widths
from inscape.store.columns import encode, site_entry, vector_field
from inscape.store.feed import inputs_of
from inscape.store.inputs import Inputs
from inscape.store.lock import WriterLock
from inscape.store.progress import Meter, Watcher
from inscape.store.steps import cost
from inscape.store.writer import disk_errors, settled, tidy

log = logging.getLogger(__name__)

_JOURNAL = "adding.json"
#: what must be the same for a new column to belong beside the old ones
_SAME = ("weights", "tokenizer", "data", "inputs", "prompt")
_SHARD_BYTES = 32 << 20


def add_sites(
    folder: Path,
    model: Any,
    examples: Any,
    sites: Any,
    *,
    nonfinite: str | None = None,
    progress: bool | Watcher | None = None,
) -> None:
    """Bring sites to the store in `folder`; see `inscape.store.store.Store.add`."""
    manifest = manifests.read(folder)
    recipe = manifest["recipe"]
    wanted = [site for site in model.select(sites) if str(site) not in manifest["sites"]]
    if not wanted:
        return
    inputs = inputs_of(model, examples, recipe["at"], recipe["prompt"], wanted)
    made = keys.recipe(model, inputs, prompt=recipe["prompt"], sites=[str(s) for s in wanted])
    _refuse_other(folder, recipe, made)
    wide = widths(model, inputs, wanted)
    entries = {str(site): site_entry(site, wide[site], recipe["dtype"]) for site in wanted}
    settings = {"wide": wide, "dtype": recipe["dtype"]}
    settings |= {"budget": recipe["budget"], "overhead": recipe["overhead"]}
    settings["nonfinite"] = nonfinite or recipe["nonfinite"]
    row_bytes = sum(wide.values()) * (4 if recipe["dtype"] == "float32" else 2)
    most = max(1, _SHARD_BYTES // row_bytes)
    with disk_errors(folder, "write to"), WriterLock(folder):
        dataset = lance.dataset(str(folder), version=int(manifest["lance_version"]))
        journal = _Journal(folder, manifests.digest([made, manifest["lance_version"], settings["nonfinite"]]))
        ranges = [plan.shards(inputs.rows[slice(*s["examples"])], most) for s in manifest["shards"]]
        spans = [
            [(first + a, first + b) for a, b in parts]
            for parts, first in zip(ranges, (s["examples"][0] for s in manifest["shards"]), strict=True)
        ]
        fragments = dataset.get_fragments()
        schema = None
        done = len(journal.done) if len(journal.done) < len(fragments) else len(fragments) - 1
        left = [span for parts in spans[done:] for span in parts]
        limits = recipe["budget"], recipe["overhead"]
        tokens = sum(cost(inputs, s, *limits) for s in left)
        rows = int(sum(inputs.rows[slice(*s)].sum() for s in left))
        with Meter(f"harvest {model.name}", rows, tokens, progress) as meter:
            for number in range(done, len(fragments)):
                stream = _Stream(model, inputs, wanted, spans[number], entries, settings, meter)
                fragment, schema = stream.merged_into(fragments[number])
                old = {file.path for file in fragments[number].data_files()}
                new = [file.path for file in fragment.files if file.path not in old]
                hashes = {path: settled(folder / "data" / path) for path in new}
                journal.note(number, fragment, hashes, stream.nonfinite)
        _commit(folder, manifest, dataset, journal, schema, _ordered(model, manifest, entries, made))


def _refuse_other(folder: Path, recipe: dict[str, Any], made: dict[str, Any]) -> None:
    different = manifests.differences({k: made[k] for k in _SAME}, {k: recipe[k] for k in _SAME})
    if different:
        raise StoreError(
            f"sites cannot be added to {folder}: it was harvested with other {', '.join(different)}; open what it was "
            "harvested from, or harvest into a new folder."
        )


class _Stream:
    """The new columns of one fragment, computed as they are written."""

    def __init__(
        self,
        model: Any,
        inputs: Inputs,
        sites: list[Site],
        spans: list[tuple[int, int]],
        entries: dict[str, dict[str, Any]],
        settings: dict[str, Any],
        meter: Meter,
    ):
        self.schema = pa.schema([vector_field(entry) for entry in entries.values()])
        self.nonfinite: dict[str, int] = {}
        self._shards = (capture(model, inputs, sites, s, report=meter.advance, **settings) for s in spans)
        self._failure: BaseException | None = None

    def merged_into(self, fragment: lance.LanceFragment) -> tuple[FragmentMetadata, Any]:
        """Write the columns to a file of the fragment; what computing raises is raised as it was."""
        try:
            return fragment.merge_columns(pa.RecordBatchReader.from_batches(self.schema, self._batches()))
        except BaseException:
            # Arrow's stream turns whatever the computation raised into an error of its own
            if self._failure is not None:
                raise self._failure from None
            raise

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for shard in self._shards:
                for name, count in shard.nonfinite.items():
                    self.nonfinite[name] = self.nonfinite.get(name, 0) + count
                yield pa.RecordBatch.from_arrays([encode(x) for x in shard.vectors.values()], schema=self.schema)
        except BaseException as error:
            self._failure = error
            raise


class _Journal:
    """Fragments whose new columns are on the disk and not yet committed; another addition's journal is dropped."""

    def __init__(self, folder: Path, key: str):
        self.path, self.key = folder / _JOURNAL, key
        self.done: list[dict[str, Any]] = []
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        names = [name for entry in found.get("done", []) for name in entry["files"]]
        if found.get("key") == key and all((folder / "data" / name).is_file() for name in names):
            self.done = found["done"]
            log.info("%s: going on after %d shards of new sites", folder, len(self.done))

    def note(self, number: int, fragment: FragmentMetadata, files: dict[str, str], nonfinite: dict[str, int]) -> None:
        """Put one fragment on record."""
        entry = {"fragment": fragment.to_json(), "files": files, "nonfinite": nonfinite}
        self.done = [*self.done[:number], entry]
        fresh = self.path.with_suffix(".new")
        fresh.write_text(manifests.canonical({"key": self.key, "done": self.done}), encoding="utf-8")
        manifests.flush(fresh)
        fresh.replace(self.path)


def _ordered(
    model: Any, manifest: manifests.Manifest, entries: dict[str, dict[str, Any]], made: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Old and new sites in the model's order of computation; the new ones say how they were made."""
    every = {**manifest["sites"], **{name: {**entry, "added": made} for name, entry in entries.items()}}
    return {str(site): every[str(site)] for site in model.select(list(every))}


def _commit(
    folder: Path,
    manifest: manifests.Manifest,
    dataset: lance.LanceDataset,
    journal: _Journal,
    schema: Any,
    sites: dict[str, dict[str, Any]],
) -> None:
    fragments = [FragmentMetadata.from_json(json.dumps(entry["fragment"])) for entry in journal.done]
    latest = lance.dataset(str(folder))
    if latest.version != dataset.version:  # a commit whose manifest was never written
        dataset.restore()
        latest = lance.dataset(str(folder))
    merged = lance.LanceDataset.commit(
        str(folder), lance.LanceOperation.Merge(fragments, schema), read_version=latest.version
    )
    shards = [
        {
            **shard,
            "files": {**shard["files"], **entry["files"]},
            "nonfinite": {**shard["nonfinite"], **entry["nonfinite"]},
        }
        for shard, entry in zip(manifest["shards"], journal.done, strict=True)
    ]
    manifests.write(folder, {**manifest, "lance_version": merged.version, "shards": shards, "sites": sites})
    journal.path.unlink(missing_ok=True)
    tidy(merged)
