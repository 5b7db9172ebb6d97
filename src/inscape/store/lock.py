"""One writer at a time: a lock file that names its holder.

The lock is the operating system's (``flock``), so it ends with the process however that ends: a
file left by a killed writer is stale by construction and is taken over without guessing at process
ids. The id in the file is for the message.

Cost: one open file. On a network file system the lock is as good as that system's ``flock``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
from pathlib import Path

from inscape.core.errors import StoreError

NAME = "writer.lock"
#: what a lock file holds: nothing, or its last holder
_HOLDER = re.compile(rb"(process \d+ on [^\n]*\n?)?")
_LONGEST = 1000


def _foreign(path: Path) -> str:
    return (
        f"{path} is not a lock file of Inscape, so it is kept; move it away, or name another "
        "folder."
    )


class Busy(StoreError):
    """Another writer holds the lock.

    Attributes:
        holder: its process and machine.
        ours: whether it is this very process, which would wait for itself.
    """

    def __init__(self, folder: Path | str, holder: str) -> None:
        super().__init__(
            f"{folder} is being written by {holder}; wait for it to end, or write to another "
            "folder."
        )
        self.holder, self.ours = holder, holder == name()


def name() -> str:
    """This process and machine."""
    return f"process {os.getpid()} on {socket.gethostname()}"


class WriterLock:
    """Held from construction to `release`; as a context manager, for the block.

    Args:
        folder: the store's folder, which must exist.

    Raises:
        Busy: another writer holds it; the message names its process and machine.
        StoreError: the lock file is something else.
    """

    def __init__(self, folder: Path):
        self.path = folder / NAME
        try:
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.EISDIR):
                raise
            raise StoreError(_foreign(self.path)) from None
        if not _HOLDER.fullmatch(os.pread(self._handle, _LONGEST, 0)):
            os.close(self._handle)
            raise StoreError(_foreign(self.path))
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = (
                os.read(self._handle, 200).decode(errors="replace").strip() or "an unnamed process"
            )
            os.close(self._handle)
            raise Busy(folder, holder) from None
        except OSError:
            os.close(self._handle)
            raise
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"{name()}\n".encode())

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
