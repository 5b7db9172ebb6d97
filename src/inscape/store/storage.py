"""Where a store's files are: a folder, or a prefix of an object store, behind one interface.

A store is files that are written once and never changed, under names that hold the hash of what
they are, and one manifest that names them and is replaced in one step. That is all it asks of a
place: write whole, read a range, list, remove, and replace one file atomically. A folder has
``flock`` for its one writer; an object store has a lease (`inscape.store.lease`), by which a second
writer waits, and the conditional write: each commit is refused if the manifest is not the one that
this writer read or wrote last, so that two writers never write over each other.

Cost: a file is hashed while it is written; on a disk a file costs two flushes and a commit two
more. Reference: optimistic concurrency, Kung and Robinson 1981, doi:10.1145/319566.319567.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, runtime_checkable

from inscape.core.errors import StoreError
from inscape.core.objects import Objects
from inscape.core.scratch import let_go
from inscape.core.urls import is_url, objects
from inscape.store.lease import NAME as LEASE
from inscape.store.lease import Lease, Watch
from inscape.store.lock import NAME as LOCK
from inscape.store.lock import WriterLock

#: the folder of the shards
DATA = "data"
_HASH = 16  # digits of the hash that a file's name holds
_WRITES = 64 << 20  # bytes asked of one system call, which takes 2 GB at most
_HASHED = 16 << 20  # bytes hashed at a time


class NotAFile(OSError):
    """A folder, a pipe or a device where a file should be."""


class Put(NamedTuple):
    """A file written: its name, its SHA-256 (hex) and its length in bytes."""

    name: str
    sha256: str
    bytes: int


@runtime_checkable
class HeldLock(Protocol):
    """What keeps other writers out."""

    def release(self) -> None: ...


class Storage(ABC):
    """Where the files of a store are read and written.

    Attributes:
        path: a folder's path, or a URL.
        locked: whether a lock keeps other writers out while this one writes; else commits find them
            out.
        gap: bytes that are cheaper read than skipped.
        readers: how many readings are under way at once.
        often: seconds between two looks whether another writer has ended.
    """

    path: Path | str
    locked: bool
    gap: int
    readers: int
    often: float

    def __str__(self) -> str:
        return str(self.path)

    @abstractmethod
    def lock(self) -> HeldLock:
        """Become the writer.

        Raises:
            StoreError: another is, or this is no place to write.
        """

    @abstractmethod
    def put(self, stem: str, suffix: str, parts: Sequence[memoryview]) -> Put:
        """Write a file, whole and durably, under a name that holds its hash."""

    @abstractmethod
    def replace(self, name: str, data: bytes, commit: bool = False) -> None:
        """Write a small file in place of what was there, in one durable step.

        Args:
            name: the file.
            data: all of it.
            commit: refuse where somebody else did so since this writer's `lock`.
        """

    @abstractmethod
    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        """A file, or up to `length` bytes of it from `start` on; FileNotFoundError if it is not
        there.
        """

    def small(self, name: str, most: int) -> bytes:
        """All of a file; OSError if it has more than `most` bytes, of which no more are read."""
        data = self.read(name, 0, most + 1)
        if len(data) > most:
            raise OSError(f"{name} has more than {most:,} bytes")
        return data

    @abstractmethod
    def fill(self, name: str, start: int, out: memoryview) -> None:
        """Read as many bytes as `out` has into it; OSError if the file ends before."""

    @abstractmethod
    def names(self, under: str = "") -> list[str]:
        """Names that begin with `under`, sorted; what lies in folders below may be left out, or
        stand for them.
        """

    @abstractmethod
    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """The length in bytes of those of some files that are there."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

    @abstractmethod
    def refuse_links(self) -> None:
        """Refuse a place whose folder of shards leads elsewhere.

        Raises:
            StoreError: ``data`` is a symbolic link or no folder.
        """

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self.names(name)

    def digest(self, name: str) -> str:
        """SHA-256 (hex) of a file."""
        return hashlib.sha256(self.read(name)).hexdigest()

    def each(self, work: Callable[[Any], Any], jobs: Iterable[Any]) -> list[Any]:
        """The results of some work on every job, several at a time."""
        every = list(jobs)
        if len(every) < 2 or self.readers < 2:
            return [work(job) for job in every]
        with ThreadPoolExecutor(
            min(self.readers, len(every)), thread_name_prefix="inscape-store-read"
        ) as pool:
            return list(pool.map(work, every))


def storage_at(where: str | Path | Storage) -> Storage:
    """The place that a path or URL names.

    Example:
        >>> storage_at("stores/cities"), storage_at("memory://stores/cities").path
        (LocalFolder(stores/cities), 'memory://stores/cities')
    """
    if isinstance(where, Storage):
        return where
    text = str(where)
    if is_url(text) and not text.startswith("file://"):
        return ObjectPrefix(objects(text))
    return LocalFolder(Path(text.removeprefix("file://")))


class LocalFolder(Storage):
    """A folder of this machine, or of a file system that it has mounted."""

    path: Path
    locked = True
    gap = 32 << 10
    readers = 1
    often = 0.2

    def __init__(self, path: Path):
        self.path = path
        self._fresh = itertools.count()

    def __repr__(self) -> str:
        return f"LocalFolder({self.path})"

    def lock(self) -> HeldLock:
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file, and a store is a folder; name a new folder.")
        self.refuse_links()
        self.path.mkdir(parents=True, exist_ok=True)
        return WriterLock(self.path)

    def put(self, stem: str, suffix: str, parts: Sequence[memoryview]) -> Put:
        with ThreadPoolExecutor(1, thread_name_prefix="inscape-store-hash") as thread:
            digest = thread.submit(sha256, parts)
            self._written(stem, parts, lambda: _named(stem, digest.result(), suffix))
            return Put(_named(stem, digest.result(), suffix), digest.result(), _length(parts))

    def replace(self, name: str, data: bytes, commit: bool = False) -> None:
        self._written(name, [memoryview(data)], lambda: name)

    def _written(self, stem: str, parts: Sequence[memoryview], named: Callable[[], str]) -> None:
        fresh = self.path / f"{stem}.{os.getpid()}-{threading.get_ident()}-{next(self._fresh)}.new"
        self.refuse_links()
        fresh.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            try:
                for part in parts:
                    left = part
                    while len(left):
                        left = left[os.write(handle, left[:_WRITES]) :]
                        let_go()
                os.fsync(handle)
            finally:
                os.close(handle)
            target = self.path / named()
            if target.is_symlink():
                raise StoreError(
                    f"{target} is a symbolic link, and a store replaces none; move it away, or "
                    "name another folder."
                )
            os.replace(fresh, target)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        flush(fresh.parent)

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with _opened(self.path / name) as file:
            file.seek(start)
            # a buffer of the size asked for is taken before the first byte is read
            left = max(0, os.fstat(file.fileno()).st_size - start)
            return file.read(-1 if length is None else min(length, left))

    def fill(self, name: str, start: int, out: memoryview) -> None:
        handle = os.open(self.path / name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            done = 0
            while done < len(out):
                got = os.preadv(handle, [out[done : done + _WRITES]], start + done)
                if not got:
                    raise OSError(f"{name} ends too soon")
                done += got
        finally:
            os.close(handle)

    def digest(self, name: str) -> str:
        with _opened(self.path / name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def names(self, under: str = "") -> list[str]:
        inside, _ = os.path.split(under)
        if not (self.path / inside).is_dir():
            return []
        found = (p.relative_to(self.path).as_posix() for p in (self.path / inside).iterdir())
        return sorted(name for name in found if name.startswith(under) and name != LOCK)

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        found = {}
        for name in names:
            try:
                status = os.stat(self.path / name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if stat.S_ISREG(status.st_mode):
                found[name] = status.st_size
        return found

    def exists(self, name: str) -> bool:
        return (self.path / name).is_file()

    def remove(self, name: str) -> None:
        self.refuse_links()
        (self.path / name).unlink(missing_ok=True)

    def refuse_links(self) -> None:
        inside = self.path / DATA
        if inside.is_symlink():
            raise StoreError(
                f"{inside} is a symbolic link, and a store writes and removes nothing through one; "
                "name another folder, or replace the link by the folder it leads to."
            )
        if inside.exists() and not inside.is_dir():
            raise StoreError(
                f"{inside} is a file, and a store keeps a folder of that name; name a new folder."
            )


class ObjectPrefix(Storage):
    """A prefix of an object store."""

    path: str
    locked = False
    gap = 1 << 20
    readers = 16
    often = 2.0

    def __init__(self, found: Objects):
        self.path = found.url
        self._objects = found
        self._seen: dict[str, str | None] | None = None
        self._watch = Watch()
        self._lease: Lease | None = None

    def __repr__(self) -> str:
        return f"ObjectPrefix({self.path})"

    def lock(self) -> HeldLock:
        self._lease = Lease(self._objects, self._watch)
        self._seen = {}
        return self

    def release(self) -> None:
        """Let the next writer in."""
        self._seen = None
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def put(self, stem: str, suffix: str, parts: Sequence[memoryview]) -> Put:
        digest = sha256(parts)
        name = _named(stem, digest, suffix)
        self._objects.write(name, b"".join(parts))
        return Put(name, digest, _length(parts))

    def replace(self, name: str, data: bytes, commit: bool = False) -> None:
        if not commit or self._seen is None:
            self._objects.write(name, data)
            return
        try:
            # the first commit of a writer that read nothing must find nothing
            self._seen[name] = self._objects.write(name, data, over=self._seen.get(name))
        except FileExistsError:
            raise StoreError(
                f"{self.path} is being written by somebody else, who committed first; wait for "
                "that to end and run the same command again, or write to another place."
            ) from None

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if length is None:
            self._look(name)
        return self._objects.read(name, start, length)

    def small(self, name: str, most: int) -> bytes:
        self._look(name)
        return super().small(name, most)

    def _look(self, name: str) -> None:
        if self._seen is not None:
            # asked before reading: whoever writes in between is found out at the commit
            self._seen[name] = self._objects.tag(name)

    def fill(self, name: str, start: int, out: memoryview) -> None:
        data = self._objects.read(name, start, len(out))
        if len(data) < len(out):
            raise OSError(f"{name} ends too soon")
        out[:] = data

    def names(self, under: str = "") -> list[str]:
        return [name for name in self._objects.names(under) if name != LEASE]

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        asked = set(names)
        return {name: size for name, size in self._objects.sizes().items() if name in asked}

    def remove(self, name: str) -> None:
        self._objects.remove(name)

    def refuse_links(self) -> None:
        """There are no links among objects."""


def sha256(parts: Iterable[memoryview]) -> str:
    """SHA-256 (hex) of pieces one after the other; of a mapped file, no more than a piece is in
    memory.
    """
    found = hashlib.sha256()
    for part in parts:
        data = part.cast("B")
        for start in range(0, len(data), _HASHED):
            found.update(data[start : start + _HASHED])
            let_go()
    return found.hexdigest()


def _length(parts: Iterable[memoryview]) -> int:
    return sum(part.nbytes for part in parts)


def flush(path: Path) -> None:
    """Have the operating system put a folder's list of names on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _named(stem: str, digest: str, suffix: str) -> str:
    return f"{stem}-{digest[:_HASH]}{suffix}"


def _opened(path: Path) -> BinaryIO:
    """A regular file for reading; a pipe or a device in its place is refused and never waited
    for.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise NotAFile(f"{path} is not a regular file")
    return open(handle, "rb")
