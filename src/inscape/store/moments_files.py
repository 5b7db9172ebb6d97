"""Streamed moments on disk: one safetensors file and a manifest that names it, replaced atomically.

Arrays are written first, under a name that holds the hash of what they are; then ``moments.json``,
which carries that hash, is flushed and renamed over the old one; then the old arrays go. Whatever
happens in between, readers see the state before.

Cost: the arrays written and hashed once a commit.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from inscape.core.errors import InscapeError, StoreError
from inscape.store import generated_names
from inscape.store.manifest import LARGEST, sign
from inscape.store.storage import Storage
from inscape.store.writer import disk_errors

NAME = "moments.json"
FORMAT = 1


def write(where: Storage, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Put arrays and what they are in a place, instead of what it held.

    Raises:
        StoreError: the place is something else, or cannot be written.
    """
    with disk_errors(where, "write to", committed):
        if not where.exists(NAME):
            refuse(where)
        data = save({name: np.asarray(x, order="C") for name, x in arrays.items()})
        file = where.put("moments", ".safetensors", [memoryview(data)])
        manifest = {"format": FORMAT, "file": file.name, "file_sha256": file.sha256, **head}
        text = json.dumps({**manifest, "sha256": sign(manifest)}, ensure_ascii=False)
        where.replace(NAME, text.encode(), commit=True)
        tidy(where)


def committed(where: Storage) -> str:
    """What is kept whatever happens now, read from the manifest."""
    try:
        parts = _head(where)["parts"] if where.exists(NAME) else []
        rows = sum(int(part["rows"]) for part in parts)
    except (InscapeError, OSError, KeyError, TypeError, ValueError):
        rows = 0
    if not rows:
        return "Nothing was committed before"
    return f"The moments of {rows:,} rows committed before are safe"


def tidy(where: Storage) -> None:
    """Remove arrays that the manifest does not name: what an interruption left."""
    for old in generated_names.leftovers(
        where, generated_names.MOMENTS, [str(_head(where)["file"])]
    ):
        where.remove(old)


def refuse(where: Storage) -> None:
    """Refuse a place that holds anything but moments; nothing is written.

    Raises:
        StoreError: it holds files of somebody else, or a damaged manifest.
    """
    if where.exists(NAME):
        _head(where)
    else:
        generated_names.refuse_foreign(
            where, generated_names.MOMENTS, "holds no moments and is not empty"
        )


def read(where: Storage) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `write` wrote, checked against its hashes.

    Raises:
        StoreError: nothing there, a newer format, or a byte that changed.
    """
    head = _head(where)
    file, digest = str(head["file"]).rpartition("/")[2], str(head["file_sha256"])
    try:
        data = where.read(file)
    except (OSError, ValueError):
        raise _damaged(where) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(where)
    try:
        return head, load(data)
    except (SafetensorError, ValueError, KeyError):
        raise _damaged(where) from None


def _head(where: Storage) -> dict[str, Any]:
    """The manifest, checked against its signature."""
    try:
        text = where.small(NAME, LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"there are no moments at {where}; make them with `moments(model, examples, sites, "
            "to=…)`."
        ) from None
    except OSError:
        raise _damaged(where) from None
    try:
        head = json.loads(text)
        version = int(head["format"])
        signed = head.get("sha256") == sign(head) and {"file", "file_sha256"} <= head.keys()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise _damaged(where) from None
    if version > FORMAT:
        raise StoreError(
            f"{where} holds moments of format {version}, newer than {FORMAT}; upgrade Inscape."
        )
    if not signed:
        raise _damaged(where)
    return head


def _damaged(where: Storage) -> StoreError:
    return StoreError(f"the moments at {where} are damaged; delete them and stream them again.")
