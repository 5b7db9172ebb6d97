"""Waiting for the lock of another writer: two runs that share a harvest compute it once.

The second says whom it waits for and shows how many rows the first has committed. When the first
ends, the second finds the finished store; when it dies, its lock is gone (`inscape.store.lock`), or
its lease runs out (`inscape.store.lease`), and the second goes on after its last commit.

Cost: one attempt at the lock five times a second; of an object store, every other second.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress

from rich.console import Console
from rich.status import Status
from rich.text import Text

from inscape.core.characters import visible
from inscape.core.errors import InscapeError
from inscape.store import manifest as manifests
from inscape.store.lock import Busy
from inscape.store.progress import Watcher
from inscape.store.storage import HeldLock, Storage

log = logging.getLogger(__name__)

_SELDOM = 2.0  # seconds between two looks at how far it is


def acquire_lock(where: Storage, show: bool | Watcher | None = None) -> HeldLock:
    """Become the writer of a place, as soon as no other process is.

    Args:
        where: the place.
        show: None or True say whom it waits for on standard error, with what is committed where
            that is a terminal; False and a callable write it to the log.

    Raises:
        Busy: this very process is the writer already.
        StoreError: this is no place to write.
    """
    try:
        return where.lock()
    except Busy as busy:
        if busy.ours:
            raise
        with _Said(where, busy, show) as said:
            return _next(where, said)


def _next(where: Storage, said: _Said) -> HeldLock:
    looked = -_SELDOM
    while True:
        with suppress(Busy):
            return where.lock()
        if time.monotonic() - looked > _SELDOM:
            looked = time.monotonic()
            said.rows(_committed(where))
        time.sleep(where.often)


def _committed(where: Storage) -> int | None:
    """Rows that the manifest says are there; None where there is none yet."""
    try:
        return int(manifests.read(where)["rows"]) if where.exists(manifests.NAME) else None
    except (InscapeError, OSError, KeyError):
        return None


class _Said:
    """What is told meanwhile."""

    def __init__(self, where: Storage, busy: Busy, show: bool | Watcher | None) -> None:
        self._text = visible(f"{where} is being written by {busy.holder}; waiting for it to end")
        self._spoken = show is None or show is True
        self._status: Status | None = None

    def rows(self, count: int | None) -> None:
        """Tell how far it is."""
        if self._status is not None and count is not None:
            self._status.update(Text(f"waiting: {count:,} rows are committed"))

    def __enter__(self) -> _Said:
        if not self._spoken:
            log.warning("%s", self._text)
            return self
        console = Console(stderr=True)
        console.print(Text(f"{self._text} (Ctrl-C stops the waiting, not the other)."))
        if sys.stderr.isatty():
            self._status = console.status(Text("waiting"))
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
