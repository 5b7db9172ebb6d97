"""One writer of an object store at a time: an object that names its holder, who writes it anew
while it works.

    writer.lease    {"holder": "process 4711 on eiger", "host": "eiger", "process": 4711, "beat": 12}

Object stores have no lock that ends with its process. So the holder changes the object every few
seconds, and whoever finds it unchanged for a while takes it over, at once if the holder was a
process of this machine that has ended. A lease only spares work that would be done twice; nothing
rests on it: every commit is a conditional write of the manifest, and a writer whose lease was taken
while it stood still is told so by its next commit.

Cost: one small object every ten seconds, and a look at it every two while another is waited for.
Reference: Gray and Cheriton 1989, Leases, doi:10.1145/74850.74870.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time

import msgspec

from inscape.core.errors import ObjectError, StoreError
from inscape.core.objects import Objects
from inscape.store.lock import Busy, name

log = logging.getLogger(__name__)

NAME = "writer.lease"
#: seconds between two signs of life, and without one until a lease is taken over
BEAT, STALE = 10.0, 60.0


class _Said(msgspec.Struct):
    """What a lease says."""

    holder: str
    host: str
    process: int
    beat: int


class Watch:
    """Since when a lease has looked as it does, for one who waits for it."""

    def __init__(self) -> None:
        self._tag: str | None = None
        self._since = 0.0

    def stale(self, tag: str) -> bool:
        """Whether it has been the same for too long."""
        if tag != self._tag:
            self._tag, self._since = tag, time.monotonic()
        return time.monotonic() - self._since > STALE


class Lease:
    """Held from construction to `release`.

    Args:
        objects: where the store is.
        watch: what was seen of it before.

    Raises:
        Busy: another writer holds it.
        StoreError: there is an object of that name that is no lease.
        ObjectError: the store cannot be reached, or denies it.
    """

    def __init__(self, objects: Objects, watch: Watch) -> None:
        self._objects, self._beat = objects, 0
        over = None
        if (tag := objects.tag(NAME)) is not None:
            over = _vacant(objects, tag, watch)
        try:
            self._tag: str | None = objects.write(NAME, self._text(), over=over)
        except FileExistsError:  # somebody else was faster
            raise Busy(objects.url, _holder(objects).holder) from None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="inscape-store-lease", daemon=True)
        self._thread.start()

    def _text(self) -> bytes:
        said = _Said(name(), socket.gethostname(), os.getpid(), self._beat)
        return json.dumps(msgspec.to_builtins(said)).encode()

    def _live(self) -> None:
        while not self._ended.wait(BEAT):
            self._beat += 1
            try:
                self._tag = self._objects.write(NAME, self._text(), over=self._tag)
            except FileExistsError:
                log.warning("%s: another writer took over", self._objects.url)
                self._tag = None
                return
            except (ObjectError, OSError) as error:
                log.debug("%s: no sign of life: %s", self._objects.url, error)

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        try:
            if self._tag is not None and self._objects.tag(NAME) == self._tag:
                self._objects.remove(NAME)
        except (ObjectError, OSError) as error:
            log.debug("%s: the lease is left to end by itself: %s", self._objects.url, error)


def _holder(objects: Objects) -> _Said:
    """Who holds a lease.

    Raises:
        StoreError: it is none.
    """
    try:
        return msgspec.json.decode(objects.read(NAME, 0, 10_000), type=_Said)
    except FileNotFoundError:
        return _Said("a process that has just ended", "", 0, 0)
    except msgspec.MsgspecError:
        raise StoreError(
            f"{objects.url}/{NAME} is not a lease of Inscape's, and it is left as it is; move it "
            "away or name another place."
        ) from None


def _vacant(objects: Objects, tag: str, watch: Watch) -> str:
    """The tag of a lease that may be taken over.

    Raises:
        Busy: its holder lives, as far as is known.
    """
    said = _holder(objects)
    here = said.host == socket.gethostname()
    if watch.stale(tag) or (here and said.process != os.getpid() and not _lives(said.process)):
        log.warning("%s: %s left the lease, which is taken over", objects.url, said.holder)
        return tag
    raise Busy(objects.url, said.holder)


def _lives(process: int) -> bool:
    """Whether there is such a process on this machine."""
    if process < 1:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
