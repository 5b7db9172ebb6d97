"""New sites for an old harvest: one more pass, new columns beside the old ones, one commit.

The pass goes shard by shard as the harvest did; each shard's new columns are new files, noted in a
journal, and one replacement of the manifest brings them all to the store at the end. Interrupted,
the same call goes on after the last shard of the journal; readers see the old store until the
manifest is replaced.

Cost: one forward pass up to the deepest new site; memory of one shard of new vectors, cut finer
where new sites are many.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec

from inscape.core import records
from inscape.core.errors import ObjectError, StoreError
from inscape.model.certificate import current
from inscape.store import manifest as manifests
from inscape.store import recipe as recipes
from inscape.store import shard_files, sharding
from inscape.store.capture import Shard, capture, widths
from inscape.store.disk_dtypes import site_entry
from inscape.store.duplicates import deduplicate
from inscape.store.forward_passes import padded_tokens
from inscape.store.inputs import Inputs
from inscape.store.prepare_inputs import prepare_inputs
from inscape.store.progress import Meter, Watcher
from inscape.store.storage import Storage
from inscape.store.writer import disk_errors, held, sweep

log = logging.getLogger(__name__)

_JOURNAL = "adding.json"
#: what must be the same for a new column to belong beside the old ones
_SAME = ("weights", "network", "tokenizer", "data", "inputs", "prompt")


def add_sites(
    place: Storage,
    model: Any,
    examples: Any,
    sites: Any,
    *,
    nonfinite: str | None = None,
    progress: bool | Watcher | None = None,
) -> None:
    """Bring sites to a store; see `inscape.store.store.Store.add`."""
    while not _added(place, model, examples, sites, nonfinite, progress):
        log.info("%s: sites were added meanwhile; checking which are left", place)


def _added(
    place: Storage,
    model: Any,
    examples: Any,
    sites: Any,
    nonfinite: str | None,
    progress: bool | Watcher | None,
) -> bool:
    """Add the sites that are not there; False if somebody else changed the store before this began
    to write.
    """
    manifest = manifests.read(place)
    recipe, where = manifest["recipe"], f"{place}/{manifests.NAME}"
    cure = "restore the file, or harvest again into a new folder"
    records.convert(recipe, _Recipe, where, error=StoreError, cure=cure)
    wanted = [site for site in model.select(sites) if str(site) not in manifest["sites"]]
    if not wanted:
        _tidy(place, manifest)
        return True
    current(model)
    given = prepare_inputs(model, examples, recipe["at"], recipe["prompt"], wanted)
    made = recipes.recipe(model, given, prompt=recipe["prompt"], sites=[str(s) for s in wanted])
    _refuse_other(place, recipe, made)
    inputs, _ = deduplicate(given)
    ends = [0, *(shard["examples"][1] for shard in manifest["shards"])]
    if ends[-1] != len(inputs) or any(
        shard["examples"][0] != start or shard["examples"][1] <= start
        for shard, start in zip(manifest["shards"], ends, strict=False)
    ):
        raise StoreError(f"{where} is damaged: its shards are not all of its examples; {cure}.")
    wide = widths(model, inputs, wanted)
    entries = {str(site): site_entry(site, wide[site], recipe["dtype"]) for site in wanted}
    settings: dict[str, Any] = {
        "wide": wide,
        "dtype": recipe["dtype"],
        "nonfinite": nonfinite or recipe["nonfinite"],
    }
    settings |= {"budget": recipe["budget"], "overhead": recipe["overhead"]}
    most = sharding.shard_rows(
        sum(wide.values()) * (4 if recipe["dtype"] == "float32" else 2), sharding.SHARD_BYTES
    )
    with disk_errors(place, "write to"), held(place, progress):
        now = manifests.read(place)  # as this writer must still find it when it commits
        if now["sha256"] != manifest["sha256"]:
            return False
        key = manifests.digest([made, manifest["sha256"], settings["nonfinite"]])
        journal = _Journal(place, key, len(manifest["shards"]))
        todo = [_cut(inputs, tuple(shard["examples"]), most) for shard in manifest["shards"]]
        left = [span for spans in todo[len(journal.done) :] for span in spans]
        costs = sum(padded_tokens(inputs, s, recipe["budget"], recipe["overhead"]) for s in left)
        rows = int(sum(inputs.rows[slice(*s)].sum() for s in left))
        with Meter(f"harvest {model.name}", rows, costs, progress) as meter:
            for number in range(len(journal.done), len(todo)):
                files: dict[str, str] = {}
                sizes: dict[str, int] = {}
                nonfinite_here: dict[str, int] = {}
                for span in todo[number]:
                    shard = capture(model, inputs, wanted, span, report=meter.advance, **settings)
                    file = place.put(
                        f"data/{number:06d}", shard_files.SUFFIX, _packed(shard, manifest["key"])
                    )
                    files[file.name], sizes[file.name] = file.sha256, file.bytes
                    for name, count in shard.nonfinite.items():
                        nonfinite_here[name] = nonfinite_here.get(name, 0) + count
                journal.note(files, sizes, nonfinite_here)
        _commit(place, manifest, journal, _ordered(model, manifest, entries, made))
    return True


def _tidy(place: Storage, manifest: manifests.Manifest) -> None:
    """Remove what an addition left that was killed right after its commit; an addition that is
    unfinished stays.
    """
    # another writer at work, or a folder that we may only read: then it is left to the next
    with suppress(StoreError, ObjectError), disk_errors(place, "write to"), held(place, wait=False):
        if place.exists(_JOURNAL):
            named = {name for entry in _recorded(place)["done"] for name in entry["files"]}
            if not named <= manifests.files(manifest).keys():
                return
            place.remove(_JOURNAL)
        sweep(place, manifest)


class _Recipe(msgspec.Struct):
    """What an addition needs of a store's recipe; that of an earlier version has no network."""

    weights: str
    tokenizer: str
    data: str
    inputs: str
    prompt: str | None
    at: str
    dtype: Literal["float32", "bfloat16", "float16"]
    nonfinite: Literal["refuse", "keep"]
    budget: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    overhead: Annotated[int, msgspec.Meta(ge=0, le=2**40)]
    network: str = ""


class _Entry(msgspec.Struct):
    """The new columns of one shard: file → SHA-256, file → bytes, site → values that are not
    finite.
    """

    files: dict[str, str]
    bytes: dict[str, int]
    nonfinite: dict[str, int]


class _Recorded(msgspec.Struct):
    """What a journal holds: the hash of what is added to which store, and the shards that are
    done.
    """

    key: str
    done: list[_Entry]


def _recorded(place: Storage) -> dict[str, Any]:
    """The journal, if Inscape wrote it.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it is not one of Inscape's.
    """
    signed = False
    try:
        found: dict[str, Any] = json.loads(place.small(_JOURNAL, manifests.LARGEST))
        signed = found["sha256"] == manifests.sign(found)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    cure = "move it away and run the same command again"
    if not signed:
        raise StoreError(f"{place}/{_JOURNAL} is not a journal of Inscape, so it is kept; {cure}.")
    records.convert(found, _Recorded, f"{place}/{_JOURNAL}", error=StoreError, cure=cure)
    return found


def _cut(inputs: Inputs, span: tuple[int, int], most: int) -> list[tuple[int, int]]:
    """A shard's examples in runs of at most `most` rows where examples are that short."""
    first, last = span
    return [
        (first + a, first + b) for a, b in sharding.cut_into_shards(inputs.rows[first:last], most)
    ]


def _packed(shard: Shard, key: str) -> list[memoryview]:
    return shard_files.packed({str(site): x for site, x in shard.vectors.items()}, key)


def _refuse_other(place: Storage, recipe: dict[str, Any], made: dict[str, Any]) -> None:
    if unknown := manifests.unidentified({"recipe": recipe}, place):
        raise StoreError(unknown)
    different = manifests.differences({k: made[k] for k in _SAME}, {k: recipe[k] for k in _SAME})
    if different:
        raise StoreError(
            f"sites cannot be added to {place}: it was harvested with other "
            f"{', '.join(different)}; open what it was "
            "harvested from, or harvest into a new folder."
        )


class _Journal:
    """Shards whose new columns are written and not yet committed; another addition's journal is
    dropped.
    """

    def __init__(self, place: Storage, key: str, shards: int):
        self.place, self.key = place, key
        self.done: list[dict[str, Any]] = []
        try:
            found = _recorded(place)
        except FileNotFoundError:
            return
        names = [name for entry in found["done"] for name in entry["files"]]
        there = set(place.names("data/"))
        if found["key"] == key and there.issuperset(names):
            for entry in found["done"][:shards]:
                if any(place.digest(name) != digest for name, digest in entry["files"].items()):
                    log.warning("%s: new columns are damaged and are computed again", place)
                    break
                self.done.append(entry)
            log.info("%s: resuming after %d shards of new sites", place, len(self.done))

    def note(self, files: dict[str, str], sizes: dict[str, int], nonfinite: dict[str, int]) -> None:
        """Put one shard on record."""
        self.done = [*self.done, {"files": files, "bytes": sizes, "nonfinite": nonfinite}]
        entry = {"key": self.key, "done": self.done}
        entry["sha256"] = manifests.sign(entry)
        self.place.replace(_JOURNAL, manifests.canonical(entry).encode())


def _ordered(
    model: Any,
    manifest: manifests.Manifest,
    entries: dict[str, dict[str, Any]],
    made: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Old and new sites in the model's order of computation; the new ones say how they were
    made.
    """
    every = {
        **manifest["sites"],
        **{name: {**entry, "added": made} for name, entry in entries.items()},
    }
    return {str(site): every[str(site)] for site in model.select(list(every))}


def _commit(
    place: Storage,
    manifest: manifests.Manifest,
    journal: _Journal,
    sites: dict[str, dict[str, Any]],
) -> None:
    joined = [
        {
            **shard,
            "files": {**shard["files"], **entry["files"]},
            "bytes": {**shard.get("bytes", {}), **entry["bytes"]},
            "nonfinite": {**shard["nonfinite"], **entry["nonfinite"]},
        }
        for shard, entry in zip(manifest["shards"], journal.done, strict=True)
    ]
    committed = {**manifest, "shards": joined, "sites": sites}
    manifests.write(place, committed)
    place.remove(_JOURNAL)
    sweep(place, committed)
