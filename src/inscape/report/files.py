"""The files of a run folder and of a report: read only where they are plain files, written only
where they may be.

`load` opens nothing but regular files of a bounded size, and follows no link inside the folder: a
pipe or a device would block, a link would lead out. `Target` is the one place that writes: whole
files, inside one folder, through no link. What stands under a name that the user gave is asked of
`inscape.core.overwriting` first.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign, write_whole

CURE = "Run the study again."
COPY = "Copy the run folder to a place with room that you may write to."
ELSEWHERE = "Give another place with --to."


def load(folder: Path, name: str, most: int) -> bytes:
    """The content of a file of a run folder.

    Args:
        folder: the run folder.
        name: the file's path in it, with ``/``.
        most: bytes it may have.

    Raises:
        RunError: it is missing, no plain file, too large, or cannot be read.
    """
    path = plain(folder, name)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise RunError(f"{path} is not a plain file. {CURE}")
            if found.st_size > most:
                raise RunError(
                    f"{path} has {found.st_size:,} bytes; a run writes at most {most:,}. {CURE}"
                )
            # a buffer of the size asked for is taken before the first byte is read
            return file.read(found.st_size)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}. {CURE}") from error


def plain(folder: Path, name: str) -> Path:
    """The path of a file of a run folder, none of whose parts is a link and which is a plain file.

    Raises:
        RunError: it is missing, a link, or no plain file.
    """
    path = folder
    parts = PurePosixPath(name).parts
    for i, part in enumerate(parts):
        path = path / part
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError) as error:
            raise RunError(f"{path} is missing from the run. {CURE}") from error
        if stat.S_ISLNK(mode):
            raise RunError(f"{path} is a symbolic link, and a run folder has none. {CURE}")
        if not (stat.S_ISDIR(mode) if i < len(parts) - 1 else stat.S_ISREG(mode)):
            kind = "folder" if i < len(parts) - 1 else "plain file"
            raise RunError(f"{path} is not a {kind}. {CURE}")
    return path


def exists(folder: Path, name: str) -> bool:
    """Whether there is anything of that name, a broken link included."""
    return os.path.lexists(folder / name)


class Target:
    """A folder that pages and pictures are written to.

    Args:
        folder: where; it is made if it is missing.
        cure: what to do where it cannot be written to, as the end of a sentence.
    """

    def __init__(self, folder: Path, cure: str) -> None:
        self.folder = folder
        self._cure = cure

    def refuse_foreign(self, name: str, mark: bytes) -> None:
        """Refuse to write over a file of this folder that has no `mark` near its beginning."""
        path = self.folder / name
        if path.is_file() and not path.is_symlink():
            refuse_foreign(path, mark, RunError)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file whole or not at all, and return its path.

        Args:
            name: its path in the folder, with ``/``.
            content: text or bytes.

        Raises:
            RunError: it would lie outside the folder or replace what is no file, or cannot be
                written.
        """
        parts = PurePosixPath(name).parts
        if not parts or any(p in ("..", "/", "\\") or "\0" in p for p in parts):
            raise RunError(f"{name!r} would lie outside {self.folder}. {CURE}")
        path = self.folder.joinpath(*parts)
        data = content.encode(errors="replace") if isinstance(content, str) else content
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for part in list(path.relative_to(self.folder).parents)[-2::-1]:
                self._folder(self.folder / part)
            self._replaceable(path)
            write_whole(path, data)
        except OSError as error:
            raise RunError(
                f"Cannot write {path}: {error.strerror or error}. {self._cure}"
            ) from error
        return path

    def _folder(self, path: Path) -> None:
        if path.is_symlink():
            raise RunError(f"Cannot write into {path}: it is a link. Delete it.")
        path.mkdir(exist_ok=True)

    def _replaceable(self, path: Path) -> None:
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise RunError(f"Cannot write {path}: it is not a file. {self._cure}")
