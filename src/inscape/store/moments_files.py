"""Streamed moments on disk: one safetensors file and a manifest that names it, replaced atomically.

Arrays are written first, under a name that holds the hash of what they are; then ``moments.json``, which carries that hash,
is flushed and renamed over the old one; then the old arrays go. Whatever happens in between, readers see the state before.

Cost: the arrays written and hashed once a commit.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from inscape.core.errors import StoreError
from inscape.store.manifest import sign
from inscape.store.places import Folder
from inscape.store.writer import disk_errors

NAME = "moments.json"
FORMAT = 1


def write(folder: Path, head: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Put arrays and what they are on the disk, in place of what the folder held.

    Raises:
        StoreError: the folder is something else, or cannot be written.
    """
    with disk_errors(folder, "write to"):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / NAME).exists() and (strange := sorted(p.name for p in folder.iterdir() if not _ours(p.name))):
            raise StoreError(f"{folder} holds no moments and is not empty (it has {strange[0]}); name a new folder.")
        data = save({name: np.asarray(x, order="C") for name, x in arrays.items()})
        digest = hashlib.sha256(data).hexdigest()
        file = f"moments-{digest[:16]}.safetensors"
        place = Folder(folder)
        place.replace(file, data)
        manifest = {"format": FORMAT, "file": file, "file_sha256": digest, **head}
        text = json.dumps({**manifest, "sha256": sign(manifest)}, ensure_ascii=False)
        place.replace(NAME, text.encode())
        for old in folder.glob("moments-*.safetensors"):
            if old.name != file:
                old.unlink(missing_ok=True)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `write` wrote, checked against its hashes.

    Raises:
        StoreError: nothing there, a newer format, or a byte that changed.
    """
    file = folder / NAME
    if not file.is_file():
        raise StoreError(f"there are no moments at {folder}; make them with `moments(model, examples, sites, to=…)`.")
    try:
        head = json.loads(file.read_text(encoding="utf-8"))
        version, data_file, digest = int(head["format"]), str(head["file"]), str(head["file_sha256"])
    except (ValueError, KeyError, TypeError):
        raise _damaged(folder) from None
    if version > FORMAT:
        raise StoreError(f"{folder} holds moments of format {version}, newer than {FORMAT}; upgrade Inscape.")
    path = folder / Path(data_file).name
    if head.get("sha256") != sign(head) or not path.is_file():
        raise _damaged(folder)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(folder)
    return head, load(data)


def _ours(name: str) -> bool:
    return name.startswith(("moments", "writer.lock"))


def _damaged(folder: Path) -> StoreError:
    return StoreError(f"the moments at {folder} are damaged; delete the folder and stream them again.")
