"""Writing a store: one file and one atomic commit a shard, behind the computation.

Two threads write finished shards, each hashing while it writes, and a third commits them in their
order, so that writing overlaps computing and memory holds three shards at most (one being computed,
two being written). Opening a writer on an unfinished store of the same recipe goes on after the
last shard its manifest names; files that it does not name are what an interruption left, and are
removed: at once where a lock keeps other writers out, else when the store is finished.

Cost: SHA-256 of each byte, 1–2 GB/s a thread, while the disk is busy.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from inscape.core.errors import InscapeError, StoreError
from inscape.core.scratch import Scratch, Sink
from inscape.store import generated_names, shard_files
from inscape.store import manifest as manifests
from inscape.store.lock_waiting import acquire_lock
from inscape.store.rows import Rows, StoreSchema
from inscape.store.storage import NotAFile, Storage, storage_at

log = logging.getLogger(__name__)

_WRITING = 2  # shards at a time
_PIECE, _HELD = (
    100_000,
    64 << 20,
)  # examples of their table in a piece, and bytes of it that are held
_CURES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free space"),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "get the right to write there"),
    errno.EROFS: "have it mounted for writing",
    **dict.fromkeys(
        (errno.ENOENT, errno.ENOTDIR), "see that its folder is there, under that name,"
    ),
}


def now() -> str:
    """The time, UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def committed(where: Storage | Path) -> str:
    """What a store keeps whatever happens now, read from its manifest."""
    found = storage_at(where)
    try:
        manifest = manifests.read(found) if found.exists(manifests.NAME) else None
    except (InscapeError, OSError):
        manifest = None
    if manifest is None or not manifest["shards"]:
        return "Nothing was committed before"
    return f"The {manifest['rows']:,} rows committed before are safe"


@contextmanager
def disk_errors(
    where: Storage | Path, doing: str, kept: Callable[[Any], str] = committed
) -> Iterator[None]:
    """Turn an operating-system error into one sentence that says what is safe and what to do.

    Args:
        where: the place.
        doing: what was tried, such as ``write to``.
        kept: says what is safe there, once it has gone wrong.
    """
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "mend the disk")
        raise StoreError(
            f"cannot {doing} {where}: {error.strerror or error}. {kept(where)}: {cure} and run the "
            "same command again, or write to another folder."
        ) from error


class Writer:
    """The one writer of a store.

    Args:
        where: the store's place; a folder is made if need be.
        recipe: what is harvested; an unfinished store there must have the same.
        schema: the table of the examples, and the columns of the vectors.
        head: everything else of a new store's manifest (sites, columns, certificate …).
        show: how to say that another process writes there and is waited for; see
            `inscape.store.lock_waiting`.

    Attributes:
        manifest: the manifest as last committed.
        shards: how many shards are committed.

    Raises:
        StoreError: the folder is something else, is being written by this process, holds another
            harvest, or cannot be written.
    """

    def __init__(
        self,
        where: Storage | Path | str,
        recipe: dict[str, Any],
        schema: StoreSchema,
        head: dict[str, Any],
        show: Any = None,
    ):
        self.place, self.schema = storage_at(where), schema
        with disk_errors(self.place, "write to"):
            refuse(self.place, recipe)  # before a lock file is made in it
            self._lock = acquire_lock(self.place, show)
        try:
            with disk_errors(self.place, "write to"):
                self._begin(recipe, head)
        except BaseException:
            self._lock.release()
            raise
        self._number = self.shards
        self._failure: BaseException | None = None
        self._room = threading.Semaphore(_WRITING)
        self._pool = ThreadPoolExecutor(_WRITING, thread_name_prefix="inscape-store-write")
        self._queue: queue.Queue[Future[dict[str, Any]] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="inscape-store-commit", daemon=True)
        self._thread.start()

    @property
    def shards(self) -> int:
        return len(self.manifest["shards"])

    def _begin(self, recipe: dict[str, Any], head: dict[str, Any]) -> None:
        key = manifests.digest(recipe)
        if self.place.exists(manifests.NAME):
            self.manifest = manifests.read(self.place)
            refuse_other(self.place, self.manifest, recipe)
            self.place.refuse_links()
            if self.manifest["key"] == key:
                self._mend()
                if self.place.locked:
                    sweep(self.place, self.manifest)
                return
        else:
            generated_names.refuse_foreign(self.place, generated_names.STORE)
        beside = self.place.put("examples", ".arrow", [_arrow(self.schema.examples)])
        self.manifest = {
            "format": manifests.FORMAT,
            "key": key,
            "recipe": recipe,
            "started": now(),
            "finished": None,
            "rows": 0,
            "beside": {beside.name: beside.sha256},
            "beside_bytes": {beside.name: beside.bytes},
            "shards": [],
            **head,
        }
        manifests.write(self.place, self.manifest)
        if self.place.locked:
            sweep(self.place, self.manifest)

    def _mend(self) -> None:
        """Go on from the first shard whose bytes are not those that were committed; it is computed
        again.
        """
        (name,) = self.manifest["beside"]
        if not self._sound(name, self.manifest["beside"][name]):
            log.warning("%s: %s is damaged and is written again", self.place, name)
            file = self.place.put("examples", ".arrow", [_arrow(self.schema.examples)])
            self.manifest |= {
                "beside": {file.name: file.sha256},
                "beside_bytes": {file.name: file.bytes},
            }
        kept = self.manifest["shards"]
        for number, shard in enumerate(kept):
            wrong = [n for n, digest in shard["files"].items() if not self._sound(n, digest)]
            if wrong:
                log.warning(
                    "%s: %s is damaged: resuming after %d shards, not %d",
                    self.place,
                    wrong[0],
                    number,
                    len(kept),
                )
                rows = sum(s["rows"] for s in kept[:number])
                self.manifest |= {"shards": kept[:number], "rows": rows, "finished": None}
                break

    def _sound(self, name: str, digest: str) -> bool:
        try:
            return self.place.digest(name) == digest
        except (FileNotFoundError, NotAFile):
            return False

    def put(self, table: Rows, shard: dict[str, Any]) -> None:
        """Hand over one shard; returns when there is room, raises what writing an earlier one
        raised.
        """
        while not self._room.acquire(timeout=0.1):
            if self._failure is not None:
                break
        if self._failure is not None:
            raise self._failure
        self._queue.put(self._pool.submit(self._write, self._number, table, shard))
        self._number += 1

    def finish(self) -> None:
        """Wait for the last commit, mark the store finished, remove what interruptions left."""
        self._stop()
        if self._failure is not None:
            raise self._failure
        with disk_errors(self.place, "finish"):
            self.manifest = {**self.manifest, "finished": now()}
            manifests.write(self.place, self.manifest)
            if not self.place.locked:
                sweep(self.place, self.manifest)

    def close(self) -> None:
        """Stop after the shards being written, and let other writers in."""
        self._stop()
        self._pool.shutdown()
        self._lock.release()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (written := self._queue.get()) is not None:
            entry = self._attempt(written.result)
            self._attempt(self._commit, entry)
            self._room.release()

    def _attempt(self, step: Callable[..., Any], *args: Any) -> Any:
        """Do one step unless one has failed; then the queue is only drained, so that `put` never
        waits in vain.
        """
        if self._failure is None:
            try:
                with disk_errors(self.place, "write to"):
                    return step(*args)
            except BaseException as error:
                self._failure = error
        return None

    def _write(self, number: int, table: Rows, shard: dict[str, Any]) -> dict[str, Any]:
        """Write a shard's file; what the manifest will say of it."""
        parts = shard_files.packed(table.columns, self.manifest["key"])
        file = self.place.put(f"data/{number:06d}", shard_files.SUFFIX, parts)
        return {
            **shard,
            "rows": len(table),
            "files": {file.name: file.sha256},
            "bytes": {file.name: file.bytes},
        }

    def _commit(self, shard: dict[str, Any]) -> None:
        rows = self.manifest["rows"] + shard["rows"]
        self.manifest = {**self.manifest, "rows": rows, "shards": [*self.manifest["shards"], shard]}
        manifests.write(self.place, self.manifest)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def held(where: Storage, show: Any = None, wait: bool = True) -> Iterator[None]:
    """Be the writer of a place for a while, as soon as no other process is.

    Args:
        where: the place.
        show: how to say that another is waited for; see `inscape.store.lock_waiting`.
        wait: whether to wait for another at all.
    """
    lock = acquire_lock(where, show) if wait else where.lock()
    try:
        yield
    finally:
        lock.release()


def sweep(where: Storage, manifest: manifests.Manifest) -> None:
    """Remove files under names that a store generates and its manifest does not name; no other
    file.
    """
    for name in generated_names.leftovers(
        where, generated_names.STORE, list(manifests.files(manifest))
    ):
        log.info("%s: removing %s, which an interruption left", where, name)
        where.remove(name)


def refuse(where: Storage, recipe: dict[str, Any]) -> None:
    """Refuse a place that a harvest of this recipe may not begin or go on in; nothing is written.

    Raises:
        StoreError: it is a file, holds files of somebody else, a damaged manifest, or the store of
            another recipe.
    """
    if where.exists(manifests.NAME):
        refuse_other(where, manifests.read(where), recipe)
    else:
        generated_names.refuse_foreign(where, generated_names.STORE)


def refuse_other(
    where: Storage | Path, manifest: manifests.Manifest, recipe: dict[str, Any]
) -> None:
    """Refuse to go on with a store of another recipe, saying what differs; one in which nothing was
    kept may be taken.
    """
    if manifest["finished"] is None and not manifest["shards"]:
        return
    if unknown := manifests.unidentified(manifest, where):
        raise StoreError(unknown)
    if different := manifests.differences(recipe, manifest["recipe"]):
        raise StoreError(
            f"the store at {where} is of another harvest, which differs in {', '.join(different)}; "
            "write to a new folder, or delete that one."
        )


def _arrow(table: pa.Table) -> memoryview:
    """A table as an Arrow file; a large one goes to a file without a name first, so that it is not
    held twice.
    """
    scratch = Scratch() if table.nbytes > _HELD else None
    out = pa.BufferOutputStream() if scratch is None else pa.PythonFile(Sink(scratch))
    with pa.ipc.new_file(out, table.schema) as file:
        file.write_table(table, max_chunksize=_PIECE)
    return memoryview(out.getvalue() if scratch is None else scratch.map())
