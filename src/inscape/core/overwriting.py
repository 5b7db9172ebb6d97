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
            "name another file, or move that one away."
        )


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A new file beside `path` to write to, which takes its place at the end of the block, or is
    removed if that fails.
    """
    path = Path(path)
    # with the ending of the file, by which writers choose the format
    fresh = path.with_name(f".{path.stem[:80]}.{os.getpid()}-{next(_fresh)}.new{path.suffix}")
    try:
        yield fresh
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def write_whole(path: Path | str, data: bytes | memoryview, *, durable: bool = False) -> None:
    """Write a file whole or not at all.

    Args:
        path: the file; its folder is there.
        data: its content.
        durable: whether it must outlive a loss of power: content and name are flushed to the disk.

    Raises:
        OSError: as the system says it; what stood at `path` is then as it was.
    """
    with replacing(path) as fresh:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        with open(os.open(fresh, flags, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
    if durable:
        flush_folder(Path(path).parent)


def flush_folder(path: Path) -> None:
    """Make renames inside a folder reach the disk; systems that cannot open one do so on their
    own.
    """
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
