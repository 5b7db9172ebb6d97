"""A file without a name for what does not fit into memory: written once, read in pieces, gone with
the process.

It lies in the cache folder (`inscape.core.home`) and has no name there, so that nothing of it is
left however the process ends. It is read by position; or mapped, and then the pages that were
looked at are handed back by `let_go`, so that memory does not grow with the file.

Cost: the disk's; a reading of a few bytes takes about a microsecond once the system has the file in
its own memory.
"""

from __future__ import annotations

import io
import mmap
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inscape.core.errors import DataError
from inscape.core.home import home

_WRITES = 64 << 20  # bytes asked of one system call, which takes 2 GB at most
_MAPPED: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


class Scratch:
    """A file without a name, open as long as this lives.

    Attributes:
        size: bytes written so far.
        folder: where it lies, without a name.
    """

    def __init__(self) -> None:
        self.folder = home()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._handle = _opened(self.folder)
        except OSError:  # a cache folder that we may only read
            self.folder = Path(tempfile.gettempdir())
            with _words(self.folder):
                self._handle = _opened(self.folder)
        weakref.finalize(self, os.close, self._handle)
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Add bytes at the end; gives how many.

        Raises:
            DataError: the disk is full; the message names the folder and the cure.
        """
        left = memoryview(data).cast("B")
        count = len(left)
        with _words(self.folder):
            while len(left):
                left = left[os.write(self._handle, left[:_WRITES]) :]
        self.size += count
        return count

    def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on; fewer at the end."""
        parts = []
        while length > 0 and (part := os.pread(self._handle, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def stream(self) -> io.RawIOBase:
        """All of it as a stream of its own, from the beginning; nothing is written afterwards."""
        return _Stream(self)

    @property
    def room(self) -> int:
        """Bytes that are free where it lies."""
        return shutil.disk_usage(self.folder).free

    def map(self) -> mmap.mmap:
        """All of it as memory that the system fills when it is looked at; not for an empty file."""
        found = mmap.mmap(self._handle, self.size, access=mmap.ACCESS_READ)
        _MAPPED.add(found)
        return found


class Sink(io.RawIOBase):
    """A scratch file as something that Arrow writes to."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        return self._scratch.write(memoryview(data))


class _Stream(io.RawIOBase):
    """A scratch file read from its beginning."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch, self._at = scratch, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        found = self._scratch.read(self._at, len(buffer))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def _opened(folder: Path) -> int:
    """A new file without a name, for reading and writing."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())


@contextmanager
def _words(folder: Path) -> Iterator[None]:
    """An error of the operating system inside it is one sentence."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"what does not fit into memory cannot be written to {folder} "
            f"({error.strerror or error}); free space "
            "there, or set INSCAPE_HOME to a folder on a larger disk."
        ) from error


def let_go() -> None:
    """Hand back the memory of mapped scratch files; what is looked at again is read again."""
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in list(_MAPPED):
            mapped.madvise(mmap.MADV_DONTNEED)
