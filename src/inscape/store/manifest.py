"""The manifest: what a store is, in one JSON file that is replaced atomically.

``manifest.json`` names the version of the Lance dataset it speaks of, and readers open exactly that version. A commit
is therefore two steps, data first: Lance commits the shard's fragment, then the manifest that names the new version is
written beside the old one, flushed and renamed over it. Whatever happens in between, readers see the state before, and
the next writer takes the dataset back to it. The recipe (what was harvested, of what, how) has a hash, the key, which the
dataset's schema carries too: a manifest put beside another store's data is found out.

Cost: a few kilobytes and two flushes a commit.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from inscape.core.errors import StoreError

NAME = "manifest.json"
FORMAT = 1
Manifest = dict[str, Any]

#: recipe entries in words, for messages about what differs
WORDS = {
    "weights": "weights",
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


def write(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest atomically and durably."""
    # in its own order, which is the order of sites and columns; only what is hashed is sorted
    text = json.dumps({**manifest, "sha256": sign(manifest)}, separators=(",", ":"), ensure_ascii=False)
    fresh = folder / (NAME + ".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, folder / NAME)
    flush(folder)


def flush(path: Path) -> None:
    """Have the operating system put a file, or a folder's list of names, on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: Path) -> Manifest:
    """The manifest of a store; every way of not being one is told apart.

    Raises:
        StoreError: nothing there, not a store, a newer format, or a manifest that cannot be read.
    """
    if not folder.exists():
        raise StoreError(f"there is no store at {folder}; harvest one with `harvest(model, examples, sites, to=…)`.")
    file = folder / NAME
    if not file.is_file():
        raise StoreError(f"{folder} is not a store: it has no {NAME}; name the folder that `harvest` wrote.")
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        version = int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{file} is damaged and cannot be read ({error}); harvest again into a new folder.") from None
    if version > FORMAT:
        raise StoreError(
            f"{folder} is a store of format {version}, newer than format {FORMAT} that this version of Inscape reads; "
            "upgrade Inscape."
        )
    return manifest
