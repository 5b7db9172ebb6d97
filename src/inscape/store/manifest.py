"""The manifest: what a store is, in one JSON file that is replaced atomically.

``manifest.json`` names every file of the store with its SHA-256. Files are written first, under
names that hold their hash, and never changed; then the manifest that names them takes the old one's
place. Whatever happens in between, readers see the state before, and files that no manifest names
are swept away. The recipe (what was harvested, of what, how) has a hash, the key, which every file
carries too: a manifest put beside another store's files is found out.

Cost: about 200 bytes a shard and two flushes a commit.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from inscape.core import records
from inscape.core.errors import StoreError
from inscape.core.foreign import foreign, reason
from inscape.store.storage import Storage, storage_at

NAME = "manifest.json"
FORMAT = 2
Manifest = dict[str, Any]

_FILE = re.compile(r"(data/\d{6,}-[0-9a-f]{16}\.safetensors|examples-[0-9a-f]{16}\.arrow)")
_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Shard(msgspec.Struct):
    """What the manifest says of a shard; `bytes` is the length of each of its files."""

    examples: tuple[_Count, _Count]
    rows: _Count
    files: dict[str, str]
    nonfinite: dict[str, int]
    bytes: dict[str, _Count] = {}


class _Site(msgspec.Struct):
    """What the manifest says of a site."""

    column: str
    width: Annotated[int, msgspec.Meta(ge=1)]
    dtype: Literal["float32", "bfloat16", "float16"]


class _Record(msgspec.Struct):
    """The fields of a manifest that its readers rely on, and their types."""

    format: int
    key: str
    model: str
    examples: _Count
    recipe: dict[str, Any]
    finished: str | None
    rows: _Count
    beside: dict[str, str]
    shards: list[_Shard]
    sites: dict[str, _Site]
    columns: dict[str, str]
    sha256: str


#: bytes of a manifest; one of 20 TB has some 200 MB
LARGEST = 256 << 20
_ROW = 12  # bytes that a row has besides its vectors: example, position, token
#: recipe entries in words, for messages about what differs
WORDS = {
    "weights": "weights",
    "network": "network (configuration, modules, code or buffers)",
    "tokenizer": "tokenizer",
    "model_dtype": "dtype of the model",
    "device": "kind of device",
    "prefix": "sharing of prefixes (prefix)",
    "data": "examples",
    "inputs": "tokens or positions",
    "prompt": "prompt",
    "at": "positions (at)",
    "dtype": "dtype on disk",
    "nonfinite": "handling of NaN and infinity (nonfinite)",
    "sites": "sites",
    "budget": "token budget",
    "overhead": "assumed overhead of a pass",
    "shard_rows": "size of a shard",
    "code": "code that reads activations",
    "versions": "versions of torch or transformers",
}


def canonical(value: Any) -> str:
    """JSON with one spelling: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def sign(manifest: Manifest) -> str:
    """The hash of everything in a manifest but the hash itself."""
    return digest({k: v for k, v in manifest.items() if k != "sha256"})


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """What differs between two recipes, in words, the most telling first."""
    return [words for name, words in WORDS.items() if ours.get(name) != theirs.get(name)]


def unidentified(manifest: Manifest, where: object) -> str:
    """Why a store of an earlier version is not gone on with: its recipe does not say of which
    network it is.
    """
    if "network" in manifest["recipe"]:
        return ""
    return (
        f"the store at {where} was written by an earlier version, which kept the hash of the "
        "weights and not of the network's configuration and code, so whether it is of this network "
        "is not known; it can be read, but to harvest write to a new folder."
    )


def files(manifest: Manifest) -> dict[str, str]:
    """Every file that a manifest names, with its SHA-256."""
    found = {
        name: digest for shard in manifest["shards"] for name, digest in shard["files"].items()
    }
    return {**manifest["beside"], **found}


def present(where: Storage | Path | str) -> bool:
    """Whether there is a store, finished or not."""
    return storage_at(where).exists(NAME)


def write(where: Storage | Path | str, manifest: Manifest) -> None:
    """Replace the manifest atomically and durably.

    Raises:
        StoreError: where no lock keeps others out: somebody else committed since.
    """
    # in its own order, which is the order of sites and columns; only what is hashed is sorted
    text = json.dumps(
        {**manifest, "sha256": sign(manifest)}, separators=(",", ":"), ensure_ascii=False
    )
    storage_at(where).replace(NAME, text.encode(), commit=True)


def read(where: Storage | Path | str, checked: bool = True) -> Manifest:
    """The manifest of a store; every way of not being one is told apart.

    Args:
        where: the store's place.
        checked: whether one that was edited after it was written, or that has wrong fields, is
            refused.

    Raises:
        StoreError: nothing there, not a store, another format, or a manifest that cannot be read or
            was edited.
    """
    found = storage_at(where)
    cure = "restore the file, or harvest again into a new folder"
    with foreign(StoreError, f"{found}/{NAME} cannot be read", cure):
        return _read(found, checked)


def _read(found: Storage, checked: bool) -> Manifest:
    try:
        data = found.small(NAME, LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        if not found.names():
            raise StoreError(
                f"there is no store at {found}; make one with `inscape harvest`, or in Python with "
                "`harvest(model, examples, sites, to=…)`."
            ) from None
        raise StoreError(
            f"{found} is not a store: it has no {NAME}; name the folder that `harvest` wrote."
        ) from None
    try:
        manifest = json.loads(data)
        version = int(manifest["format"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(
            f"{found}/{NAME} is damaged and cannot be read ({reason(error)}); harvest again into a "
            "new folder."
        ) from None
    if version > FORMAT:
        raise StoreError(
            f"{found} is a store of format {version}, newer than format {FORMAT} that this version "
            "of Inscape reads; upgrade Inscape."
        )
    if version < FORMAT:
        raise StoreError(
            f"{found} is a store of format {version}, from before format {FORMAT}; harvest it "
            "again into a new folder."
        )
    if not checked:
        return manifest
    if manifest.get("sha256") != sign(manifest):
        raise StoreError(
            f"{found}/{NAME} was changed after it was written (its checksum differs), so it cannot "
            "be trusted; restore the file, or harvest again into a new folder."
        )
    check(manifest, f"{found}/{NAME}")
    return manifest


def check(manifest: Any, where: str) -> None:
    """Refuse a manifest that lacks a field or has one of another type, or that names files outside
    the store.

    Raises:
        StoreError: which it is.
    """
    cure = "restore the file, or harvest again into a new folder"
    record = records.convert(manifest, _Record, where, error=StoreError, cure=cure)
    names = [*record.beside, *(name for shard in record.shards for name in shard.files)]
    wrong = next((name for name in names if not _FILE.fullmatch(name)), None)
    if wrong is not None or len(record.beside) != 1:
        raise StoreError(
            f"{where} names {wrong or 'no table of examples'!r}, which is no file of a store; "
            "restore it, or harvest again "
            "into a new folder."
        )
    if record.finished is not None and not record.shards:
        raise StoreError(
            f"{where} says that the store is finished, and it has no shards; harvest again into a "
            "new folder."
        )


def sizes(manifest: Manifest) -> dict[str, int]:
    """The length in bytes of every file, where the manifest says it."""
    found = dict(manifest.get("beside_bytes", {}))
    for shard in manifest["shards"]:
        found |= shard.get("bytes", {})
    return found


def damaged_sizes(where: Storage, manifest: Manifest) -> str:
    """The first file that is missing or has another length than it had or its rows take, in words;
    empty if there is none.

    No file is read.
    """
    expected = sizes(manifest)
    there = where.sizes(files(manifest))
    for name in files(manifest):
        if name not in there:
            return f"its file {name} is missing"
        if there[name] != expected.get(name, there[name]):
            return f"its file {name} has {there[name]:,} bytes and had {expected[name]:,}"
    for number, shard in enumerate(manifest["shards"]):
        held = sum(there[name] for name in shard["files"])
        if shard["rows"] * _ROW > held:
            return f"shard {number} has {held:,} bytes, too few for {shard['rows']:,} rows"
    if manifest["rows"] != sum(shard["rows"] for shard in manifest["shards"]):
        return "its shards do not have the rows that it says"
    return ""
