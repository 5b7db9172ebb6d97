"""A hidden folder to make something in that then appears whole, beside where it will be.

    .making-NAME-0123456789abcdef

It is removed when the work ends, and what a process that was killed left is removed by the next
that works there: a folder in use is locked (``flock``), so that one without a lock has nobody. Only
folders with exactly such a name are ever removed; links are not followed. Where ``flock`` is
missing nothing of others is removed.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_DIGITS = 16


@contextmanager
def workplace(parent: Path, name: str, everyone: bool = False) -> Iterator[Path]:
    """A new folder under `parent` to work in; gone afterwards, whatever happens.

    Args:
        parent: made if it is not there; a rename from the workplace into it is one step.
        name: of what is made.
        everyone: remove what was left of the making of other things too; for folders that are ours
            alone.

    Yields:
        The folder.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent, name, everyone)
    while True:
        path = parent / f".making-{name}-{secrets.token_hex(_DIGITS // 2)}"
        path.mkdir(mode=0o700)
        lock = _lock(path)
        if lock is not None:
            break  # else another sweep was between the two steps
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _lock(path: Path) -> int | None:
    """A lock on a folder, held until it is closed; None if somebody has it or the folder is
    gone.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    if fcntl is None:
        return handle
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.lstat(path)):
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def sweep(parent: Path, name: str, everyone: bool = False) -> None:
    """Remove workplaces that nobody has; `workplace` does so itself.

    Args:
        parent: where they are; it need not exist.
        name, everyone: as `workplace` takes them.
    """
    if fcntl is None:
        return
    which = ".+" if everyone else re.escape(name)
    left = re.compile(rf"\.making-{which}-[0-9a-f]{{{_DIGITS}}}")
    with suppress(OSError):
        for path in list(parent.iterdir()):
            if left.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                lock = _lock(path)
                if lock is not None:
                    shutil.rmtree(path, ignore_errors=True)
                    os.close(lock)
