"""Which files may be written over: those that are not there yet, and those that Inscape wrote
itself.

Each kind of file that a command writes under a name the user gives has a mark in its first bytes. A
file without the mark, a link and a folder are the user's: they are named in one sentence and left
as they are.

Cost: one reading of at most 64 kB.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from inscape.core.errors import InscapeError

_HEAD = 64 << 10
_fresh = itertools.count()


def refuse_foreign(path: Path | str, mark: bytes | None, error: type[InscapeError]) -> None:
    """Refuse to write over what Inscape did not write.

    Args:
        path: the file that is to be written.
        mark: bytes near the beginning of every file of this kind that Inscape writes; None where
            there is no such mark, so that nothing is written over.
        error: what to raise.

    Raises:
        InscapeError: of the class `error`: there is a file of somebody else, a link or a folder.
    """
    try:
        kind = os.lstat(path).st_mode
    except OSError:
        return  # nothing is there, or nothing can be: writing says why
    if stat.S_ISLNK(kind):
        raise error(
            f"{path} is a symbolic link, and nothing is written through one; name another file."
        )
    if not stat.S_ISREG(kind):
        raise error(f"{path} already exists and is not a file; name another file.")
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if mark is None or mark not in head:
        raise error(
            f"{path} already exists and was not written by this command, so it is not replaced; "
            "name another file, or "
            "move that one away."
        )


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A new file beside `path` to write to, which takes its place at the end of the block, or is removed if that fails."""
    path = Path(path)
    # with the ending of the file, by which writers choose the format
    fresh = path.with_name(f".{path.stem}.{os.getpid()}-{next(_fresh)}.new{path.suffix}")
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
