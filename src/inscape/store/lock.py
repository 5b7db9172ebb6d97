"""One writer at a time: a lock file that names its holder.

The lock is the operating system's (``flock``), so it ends with the process however that ends: a file left by a killed
writer is stale by construction and is taken over without guessing at process ids. The id in the file is for the message.

Cost: one open file. On a network file system the lock is as good as that system's ``flock``.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from inscape.core.errors import StoreError

NAME = "writer.lock"


class WriterLock:
    """Held from construction to `release`; as a context manager, for the block.

    Args:
        folder: the store's folder, which must exist.

    Raises:
        StoreError: another writer holds it; the message names its process and machine.
    """

    def __init__(self, folder: Path):
        self.path = folder / NAME
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = (
                os.read(self._handle, 200).decode(errors="replace").strip() or "an unnamed process"
            )
            os.close(self._handle)
            raise StoreError(
                f"{folder} is being written by {holder}; wait for it to end, or write to another folder."
            ) from None
        except OSError:
            os.close(self._handle)
            raise
        os.ftruncate(self._handle, 0)
        os.write(self._handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Let the next writer in; a second call does nothing."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
