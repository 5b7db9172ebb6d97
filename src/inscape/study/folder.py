"""A run folder on disk: every file appears whole or not at all, and ``done`` appears last.

A file is written under a temporary name in its own folder, flushed to the disk, and renamed over
its final name; a crash at any moment leaves either the old file or the new one. A folder without
``done`` is an unfinished run.
"""

from __future__ import annotations

import errno
import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from inscape.core import records
from inscape.core.characters import visible
from inscape.core.errors import RunError
from inscape.core.overwriting import write_whole

logger = logging.getLogger("inscape.study")

#: bytes of the largest record of a run
_LARGEST = 32 << 20
#: the files of a run that measured nothing yet
_RECORD = ("run.json", "certificates.json", "claims.json", "log.txt")
_CURES = {
    errno.ENOSPC: "the disk is full; free some space or write to another disk with --to",
    errno.EDQUOT: "the disk quota is used up; free some space or write to another disk with --to",
    errno.EROFS: "the disk is read-only; write to another place with --to",
    errno.EACCES: "there is no permission to write there; write to another place with --to",
    errno.EPERM: "there is no permission to write there; write to another place with --to",
    errno.ENOTDIR: "a part of this path is a file, not a folder; write to another place with --to",
    errno.EEXIST: "a part of this path is a file, not a folder; write to another place with --to",
    errno.ENOENT: (
        "a part of this path does not exist and cannot be made; write to another place with --to"
    ),
    errno.ENODEV: "there is no disk at this path; write to another place with --to",
    errno.ELOOP: "the links in this path lead in a circle; write to another place with --to",
    errno.EIO: "the disk fails; write to another disk with --to",
    errno.ENAMETOOLONG: "the name is too long; write to a shorter one with --to",
}


def explain(error: OSError, path: Path | str | None = None) -> str | None:
    """One sentence for an error of the disk, with its cure; None where the error is not one of the
    disk's.
    """
    if error.errno not in _CURES:
        return None
    return f"Cannot write {path or error.filename or 'the file'}: {_CURES[error.errno]}."


class Folder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, data: bytes) -> None:
        """Write one file atomically; `name` may hold a folder (``tables/x.parquet``).

        Raises:
            RunError: the disk is full, read-only or not ours to write to.
        """
        target = self.path / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, data, durable=True)
        except OSError as error:
            raise RunError(explain(error, target) or f"Cannot write {target}: {error}.") from error

    def write_json(self, name: str, value: Any) -> None:
        """Write a value as JSON; NaN and infinity are refused, since no other reader would take
        them.
        """
        text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False, default=_plain)
        self.write(name, text.encode() + b"\n")

    def append(self, name: str, line: str) -> None:
        """Add a line to a text file (the log), flushed but not renamed; what a terminal would obey
        is written out.
        """
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(visible(line.rstrip("\n")) + "\n")
        except OSError as error:
            raise RunError(
                explain(error, self.path / name) or f"Cannot write {self.path / name}: {error}."
            ) from error


def create(out: Path | str | None, slug: str, preset: str, now: datetime) -> Folder:
    """Make the folder of a new run.

    Args:
        out: where; None for ``runs/<slug>-<preset>-<date>-<time>``, with ``-2``, ``-3`` … if that
            is taken.
        slug: of the study.
        preset: of the run.
        now: the time in the name.

    A run that failed does not block the corrected one: where nothing was measured, its folder is
    used again; else it is kept beside, as ``<out>-failed``.

    Raises:
        RunError: `out` exists and is neither an empty folder nor a run that failed, or cannot be
            written.
    """
    base = Path(out) if out is not None else Path("runs") / f"{slug}-{preset}-{now:%Y%m%d-%H%M%S}"
    try:
        base.parent.mkdir(parents=True, exist_ok=True)
        if out is None:
            return Folder(_fresh(base))
        if _failed(base):
            _set_aside(base)
        if base.exists() and (not base.is_dir() or any(base.iterdir())):
            raise RunError(
                f"{base} already holds something, and a run never overwrites: give --to another "
                "name, or delete it."
            )
        base.mkdir(exist_ok=True)
    except OSError as error:
        raise RunError(
            explain(error, base) or f"Cannot make the folder {base}: {error}."
        ) from error
    return Folder(base)


def measured(path: Path) -> bool:
    """Whether a run folder holds what was measured: tables, figures and arrays lie in folders of
    their own.
    """
    return any(found.is_file() for found in path.glob("*/*"))


def _failed(path: Path) -> bool:
    """Whether a folder is that of a run which ended in an error; one that is still running, or was
    killed, is not.
    """
    if not (path / "run.json").is_file() or (path / "done").exists():
        return False
    try:
        record = records.read(path / "run.json", dict[str, Any], error=RunError, largest=_LARGEST)
    except RunError:
        return False
    return bool(record.get("failed"))


def _set_aside(path: Path) -> None:
    """Empty the folder of a failed run, or rename it where it keeps more than the run's record."""
    if any(found.name not in _RECORD for found in path.iterdir()):
        kept, number = path.with_name(f"{path.name}-failed"), 1
        while kept.exists():
            number += 1
            kept = path.with_name(f"{path.name}-failed-{number}")
        path.rename(kept)
        logger.info("What the failed run measured is kept in %s.", kept)
        return
    for name in _RECORD:
        (path / name).unlink(missing_ok=True)


def _fresh(base: Path) -> Path:
    path, number = base, 1
    while True:
        try:
            path.mkdir()
            return path
        except FileExistsError:
            number += 1
            path = base.with_name(f"{base.name}-{number}")


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays, paths and tuples as JSON knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (Path, datetime)):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
