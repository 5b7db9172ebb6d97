"""Several runs beside each other: every claim as a row, every run as a column.

Runs of the same study share their claims' rows, by id; what differs in their settings is said in the column's head.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign
from inscape.report import files, html
from inscape.report.folder import RunFolder, read
from inscape.report.page import claim
from inscape.study.claims import tally


def index(run_dirs: Sequence[str | Path], to: str | Path | None = None) -> Path:
    """A page that compares the claims of several runs.

    Args:
        run_dirs: finished run folders.
        to: the file to write; None for ``index.html`` beside the first run's folder.

    Returns:
        The path of the page.

    Raises:
        RunError: no run is given, one cannot be read, or the page cannot be written.
    """
    if not run_dirs:
        raise RunError("There is no run to compare: give one or more run folders.")
    runs = [read(path) for path in run_dirs]
    path = Path(to) if to is not None else runs[0].path.resolve().parent / "index.html"
    refuse_foreign(path, html.MARK, RunError)
    studies: dict[str, list[RunFolder]] = {}
    for run in runs:
        studies.setdefault(run.record["study"], []).append(run)
    groups = [_group(name, found, path.resolve().parent) for name, found in studies.items()]
    if not path.parent.is_dir():
        raise RunError(f"Cannot write {path}: there is no folder {path.parent}. Make it first.")
    target = files.Target(path.parent, files.ELSEWHERE)
    return target.write(path.name, html.render("index.html", groups=groups, count=len(runs)))


def _group(study: str, runs: list[RunFolder], base: Path) -> dict[str, Any]:
    ids = list(dict.fromkeys(c.get("id") for run in runs for c in run.claims))
    texts = {
        c.get("id"): str(c.get("text") or c.get("id")) for run in reversed(runs) for c in run.claims
    }
    found = [{c.get("id"): claim(c) for c in run.claims} for run in runs]
    return {
        "study": study,
        "title": runs[0].title,
        "runs": [_head(run, base) for run in runs],
        "rows": [{"text": texts[i], "cells": [by_id.get(i) for by_id in found]} for i in ids],
    }


def _head(run: RunFolder, base: Path) -> dict[str, Any]:
    path = run.path.resolve()
    inside = path.is_relative_to(base)
    models = list(dict.fromkeys(str(c.get("model")) for c in run.certificates if c.get("model")))
    record = run.record
    return {
        "name": path.name,
        # a page that is moved keeps its links only to what moves with it
        "link": (path / "report.html").relative_to(base).as_posix()
        if inside
        else (path / "report.html").as_uri(),
        "about": " · ".join(
            filter(
                None,
                [", ".join(models), str(record.get("preset") or ""), f"seed {record.get('seed')}"],
            )
        ),
        "answer": str(record.get("answer") or ""),
        "tally": tally(run.claims),
    }
