"""Writing a store: one fragment and one atomic commit a shard, behind the computation.

A thread takes finished shards off a queue of one, so that writing overlaps computing and memory holds three shards at
most (one being computed, one waiting, one being written). A shard is: write the fragment's file; hash and flush it, while
the next is written if it is there already; commit it to Lance; replace the manifest. Opening a writer on an unfinished
store of the same recipe goes on after the last shard its manifest names; anything past that (a fragment committed, its
manifest not) is taken back first.

Cost: hashing reads each file once from the page cache, 1–2 GB/s.
Reference: the Lance format's optimistic commits, https://lance.org/format.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import lance
import pyarrow as pa
from lance.fragment import write_fragments

from inscape.core.errors import StoreError
from inscape.store import manifest as manifests
from inscape.store.lock import WriterLock

log = logging.getLogger(__name__)

#: what a folder may hold and still be taken for a store whose first commit never came
_BEGUN = {"_versions", "_transactions", "data", "writer.lock", manifests.NAME + ".new"}


def now() -> str:
    """The time, UTC, as ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(folder: Path, doing: str) -> Iterator[None]:
    """Turn an operating-system error into one sentence that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error).split(", /", 1)[0].removeprefix("LanceError(IO): ")
        raise StoreError(
            f"cannot {doing} {folder}: {reason}. What was committed before is safe: free space or mend the disk and run "
            "the same command again, or write to another folder."
        ) from error


class _Written(NamedTuple):
    """A shard whose file is written and not yet committed."""

    fragments: list[lance.FragmentMetadata]
    shard: dict[str, Any]
    hashes: dict[str, Future[str]]
    flushes: list[Future[None]]


class Writer:
    """The one writer of a store.

    Args:
        folder: where; made if need be.
        recipe: what is harvested; an unfinished store there must have the same.
        schema: columns of the dataset.
        head: everything else of a new store's manifest (sites, columns, certificate …).

    Attributes:
        manifest: the manifest as last committed.
        shards: how many shards are committed.

    Raises:
        StoreError: the folder is something else, is being written, holds another harvest, or cannot be written.
    """

    def __init__(self, folder: Path, recipe: dict[str, Any], schema: pa.Schema, head: dict[str, Any]):
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"{folder} is a file, and a store is a folder; name a new folder.")
        with disk_errors(folder, "write to"):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = WriterLock(folder)
        try:
            with disk_errors(folder, "write to"):
                self._begin(recipe, schema, head)
        except BaseException:
            self._lock.release()
            raise
        self._queue: queue.Queue[tuple[pa.Table, dict[str, Any]] | None] = queue.Queue(maxsize=1)
        self._failure: BaseException | None = None
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="inscape-store-hash")
        self._thread = threading.Thread(target=self._work, name="inscape-store-writer", daemon=True)
        self._thread.start()

    @property
    def shards(self) -> int:
        return len(self.manifest["shards"])

    def _begin(self, recipe: dict[str, Any], schema: pa.Schema, head: dict[str, Any]) -> None:
        key = manifests.digest(recipe)
        self.schema = schema.with_metadata({"inscape": key})
        if (self.folder / manifests.NAME).exists():
            self.manifest = manifests.read(self.folder)
            refuse_other(self.folder, self.manifest, recipe)
            if self.manifest["key"] == key:
                self._dataset = _rewound(self.folder, self.manifest)
                return
        strange = sorted(p.name for p in self.folder.iterdir() if p.name not in {*_BEGUN, manifests.NAME})
        if strange:
            raise StoreError(f"{self.folder} is not a store and not empty (it has {strange[0]}); name a new folder.")
        self._dataset = lance.LanceDataset.commit(str(self.folder), lance.LanceOperation.Overwrite(self.schema, []))
        self.manifest = {
            "format": manifests.FORMAT,
            "key": key,
            "recipe": recipe,
            "started": now(),
            "finished": None,
            "lance_version": self._dataset.version,
            "rows": 0,
            "shards": [],
            **head,
        }
        manifests.write(self.folder, self.manifest)

    def put(self, table: pa.Table, shard: dict[str, Any]) -> None:
        """Hand over one shard; returns when there is room, raises what writing an earlier one raised."""
        while self._failure is None:
            try:
                self._queue.put((table, shard), timeout=0.1)
                return
            except queue.Full:
                continue
        raise self._failure

    def finish(self) -> None:
        """Wait for the last commit, drop what only unfinished writing needed, mark the store finished."""
        self._stop()
        if self._failure is not None:
            raise self._failure
        with disk_errors(self.folder, "finish"):
            self.manifest = {**self.manifest, "finished": now()}
            manifests.write(self.folder, self.manifest)
            tidy(self._dataset)

    def close(self) -> None:
        """Stop after the shard being written, and let other writers in."""
        self._stop()
        self._pool.shutdown()
        self._lock.release()

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        waiting: _Written | None = None
        while True:
            if waiting is not None and self._queue.empty():
                waiting = self._attempt(self._commit, waiting)
            item = self._queue.get()
            written = None if item is None else self._attempt(self._write, *item)
            if waiting is not None:
                self._attempt(self._commit, waiting)
            waiting = written
            if item is None:
                return

    def _attempt(self, step: Callable[..., Any], *args: Any) -> Any:
        """Do one step unless one has failed; then the queue is only drained, so that `put` never waits in vain."""
        if self._failure is None:
            try:
                with disk_errors(self.folder, "write to"):
                    return step(*args)
            except BaseException as error:
                self._failure = error
        return None

    def _write(self, table: pa.Table, shard: dict[str, Any]) -> _Written:
        """Write a shard's file; it is hashed and flushed while the next one is written."""
        fragments = write_fragments(table, str(self.folder), schema=self.schema, mode="append")
        files = [file.path for fragment in fragments for file in fragment.files]
        places = {path: self.folder / "data" / path for path in files}
        flushes = [self._pool.submit(manifests.flush, place) for place in places.values()]
        hashes = {path: self._pool.submit(file_hash, place) for path, place in places.items()}
        return _Written(fragments, {**shard, "rows": len(table)}, hashes, flushes)

    def _commit(self, written: _Written) -> None:
        hashes = {path: future.result() for path, future in written.hashes.items()}
        for future in written.flushes:
            future.result()
        self._dataset = lance.LanceDataset.commit(
            str(self.folder), lance.LanceOperation.Append(written.fragments), read_version=self._dataset.version
        )
        self.manifest = {
            **self.manifest,
            "lance_version": self._dataset.version,
            "rows": self.manifest["rows"] + written.shard["rows"],
            "shards": [*self.manifest["shards"], {**written.shard, "files": hashes}],
        }
        manifests.write(self.folder, self.manifest)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def settled(path: Path) -> str:
    """The hash of a file that is on the disk itself."""
    manifests.flush(path)
    return file_hash(path)


def tidy(dataset: lance.LanceDataset) -> None:
    """Drop earlier versions of a dataset and files that no version has."""
    dataset.cleanup_old_versions(timedelta(0), delete_unverified=True)


def refuse_other(folder: Path, manifest: manifests.Manifest, recipe: dict[str, Any]) -> None:
    """Refuse to go on with a store of another recipe, saying what differs; one in which nothing was kept may be taken."""
    if manifest["finished"] is None and not manifest["shards"]:
        return
    if different := manifests.differences(recipe, manifest["recipe"]):
        raise StoreError(
            f"the store at {folder} is of another harvest, which differs in {', '.join(different)}; write to a new "
            "folder, or delete that one."
        )


def _rewound(folder: Path, manifest: manifests.Manifest) -> lance.LanceDataset:
    """The dataset as the manifest has it, whatever was committed after."""
    version = int(manifest["lance_version"])
    try:
        dataset = lance.dataset(str(folder))
        if dataset.version != version:
            log.info("taking %s back from version %d to %d", folder, dataset.version, version)
            lance.dataset(str(folder), version=version).restore()
            dataset = lance.dataset(str(folder))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{folder} is damaged: version {version} of its data cannot be opened; delete it and harvest again."
        ) from error
    return dataset
