"""Open and close a run folder around a study.

``run.json`` is written at once and after every record; ``done`` comes last and only after success.
Anything raised, Ctrl-C included, leaves what was measured, the reason under ``failed`` in run.json,
and no ``done``.
"""

from __future__ import annotations

import importlib.metadata
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inscape.core.errors import InscapeError
from inscape.study.config import as_record, config_hash
from inscape.study.discover import StudyModule
from inscape.study.folder import Folder, measured
from inscape.study.run import Run

logger = logging.getLogger("inscape.study")


@contextmanager
def recording(
    folder: Folder,
    study: StudyModule | Any,
    config: Any,
    *,
    preset: str,
    seed: int,
    command: str = "",
    environment: Mapping[str, Any] | None = None,
    cache: Path | None = None,
    started: datetime | None = None,
    changed: Mapping[str, Any] | None = None,
) -> Iterator[Run]:
    """Open a run folder for a study, and close it: ``done`` after success, ``failed`` in run.json
    after anything else.

    A question of one's own has a card and a code as a study has; where it was answered before the
    folder was opened, `started` says since when. `changed` holds the settings that differ from the
    preset's.

    Whatever was raised goes on to the caller, with a note naming the folder that keeps what was
    measured.
    """
    started = started or _now()
    record: dict[str, Any] = {
        "inscape": importlib.metadata.version("inscape"),
        "study": study.card.slug,
        "card": study.card.to_dict(),
        "preset": preset,
        "seed": seed,
        "config": as_record(config),
        "config_hash": config_hash(config),
        "changed": dict(changed or {}),
        "code": study.code,
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "finished": None,
        "seconds": None,
        "environment": dict(environment or {}),
        "asked": "",
        "answer": "",
        "warnings": [],
        "sections": [],
        "arrays": [],
    }
    folder.write_json("certificates.json", [])
    folder.write_json("claims.json", [])
    run = Run(folder, record, cache)
    run.save()
    try:
        run.log("%s, preset %s, seed %d", study.card.slug, preset or "none", seed)
        yield run
        run.conclude()
        if not record["answer"]:
            run.warn("This run ended without an answer.")
        run.log("finished")
        ended = _now()
        record["finished"] = ended.isoformat(timespec="seconds")
        record["seconds"] = _seconds(started, ended)
        run.save()
        folder.write("done", b"")
    except BaseException as error:
        _fail(run, folder, record, started, error)
        error.add_note(_kept(folder))
        raise


def _kept(folder: Folder) -> str:
    """What is there of a run that failed."""
    if measured(folder.path):
        return f"What was measured so far is kept in {folder.path} (unfinished)."
    return f"Nothing was measured yet; {folder.path} has the settings and the log (unfinished)."


def _fail(
    run: Run, folder: Folder, record: dict[str, Any], started: datetime, error: BaseException
) -> None:
    if isinstance(error, KeyboardInterrupt):
        why = "Interrupted from the keyboard (Ctrl-C)."
    elif isinstance(error, InscapeError):
        why = str(error)
    else:
        why = f"{type(error).__name__}: {error}"
    record.update(failed=why, finished=None, seconds=_seconds(started, _now()))
    try:
        folder.append("log.txt", "".join(traceback.format_exception(error)))
        run.save()
    except InscapeError as second:
        # the disk that failed the run also refuses the note that it failed; the first error is the
        # one to tell
        logger.warning("%s", second)


def _seconds(started: datetime, ended: datetime) -> float:
    return round((ended - started).total_seconds(), 3)


def _now() -> datetime:
    return datetime.now(UTC)
