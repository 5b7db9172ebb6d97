"""What is wrong with a store: every hash recomputed, every file looked for.

Cost: one read of everything on the disk, at the speed of SHA-256 (1–2 GB/s).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inscape.core.errors import StoreError
from inscape.store import manifest as manifests
from inscape.store.reader import Reader
from inscape.store.storage import Storage
from inscape.store.storage import storage_at as place_of


def problems(place: Storage, manifest: manifests.Manifest, model: Any = None) -> list[str]:
    """Problems of a store, one sentence each; see `inscape.store.store.Store.verify`."""
    try:
        manifests.check(manifest, manifests.NAME)
    except StoreError as error:
        return [str(error)]
    found = []
    if manifest.get("sha256") != manifests.sign(manifest):
        found.append(f"{manifests.NAME} was changed after it was written.")
    if manifests.digest(manifest["recipe"]) != manifest["key"]:
        found.append(f"the key in {manifests.NAME} is not that of its recipe.")
    if model is not None and model.weights_hash != manifest["recipe"]["weights"]:
        found.append(f"it was harvested from other weights than those of {model.name}.")
    elif model is not None and "network" not in manifest["recipe"]:
        found.append(
            f"it does not say of which network it is, so whether that is {model.name} is not known."
        )
    elif model is not None and model.network_hash != manifest["recipe"]["network"]:
        found.append(
            f"{model.name} has its weights, and is another network (configuration, modules, code "
            "or buffers)."
        )
    damaged = _files(place, manifest)
    return [*found, *damaged, *([] if damaged else _columns(place, manifest))]


def verify(where: str | Path | Storage, model: Any = None) -> list[str]:
    """Problems of the store at a path or URL, which need not be sound enough to be opened.

    Raises:
        StoreError: there is no store, or its manifest is not JSON.
    """
    found = place_of(where)
    return problems(found, manifests.read(found, checked=False), model)


def _files(place: Storage, manifest: manifests.Manifest) -> list[str]:
    named = {
        name: ("the table of the examples", digest) for name, digest in manifest["beside"].items()
    }
    what = "examples" if manifest.get("rows_with_repeats") is None else "distinct inputs"
    for number, shard in enumerate(manifest["shards"]):
        first, last = shard["examples"]
        which = f"shard {number} ({what} {first} to {last - 1})"
        named |= {name: (which, digest) for name, digest in shard["files"].items()}

    def problem(entry: tuple[str, tuple[str, str]]) -> str:
        name, (which, expected) = entry
        try:
            same = place.digest(name) == expected
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            return (
                f"{which}: its file {name} "
                f"{'is missing' if missing else f'cannot be read ({error})'}."
            )
        return "" if same else f"{which}: {name} does not match its SHA-256 checksum."

    return [said for said in place.each(problem, named.items()) if said]


def _columns(place: Storage, manifest: manifests.Manifest) -> list[str]:
    """Whether the files hold what the manifest says."""
    reader, found = Reader(place, manifest), []
    for number, shard in enumerate(manifest["shards"]):
        held: dict[str, int] = {}
        try:
            for columns in reader.files(number).values():
                for name, column in columns.items():
                    held[name] = held.get(name, 0) + column.rows
        except ValueError as error:
            found.append(f"shard {number}: {error}.")
            continue
        missing = [e["column"] for e in manifest["sites"].values() if e["column"] not in held]
        if missing:
            found.append(f"shard {number} lacks the columns {', '.join(missing)}.")
        if any(rows != shard["rows"] for rows in held.values()):
            found.append(
                f"shard {number} has columns of other lengths than the {shard['rows']} rows it "
                "should have."
            )
    rows = sum(shard["rows"] for shard in manifest["shards"])
    if rows != manifest["rows"]:
        found.append(f"the shards have {rows} rows, {manifests.NAME} says {manifest['rows']}.")
    return found
