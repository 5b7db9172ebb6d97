"""Several runs on one page: the figures and claims of the runs of a study over each other.

A study's runs share one strip of claims, each claim's intervals on one axis, and one figure where
it can be overlaid (`inscape.report.overlay`). The numbers of every claim follow, a column for each
run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from inscape.core.characters import storable
from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign
from inscape.report import files, glyph, html
from inscape.report.folder import RunFolder, read
from inscape.report.overlay import overlay
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
    return target.write(path.name, html.comparison(groups, len(runs)))


def _group(study: str, runs: list[RunFolder], base: Path) -> dict[str, Any]:
    ids = list(dict.fromkeys(c.get("id") for run in runs for c in run.claims))
    records = [{c.get("id"): c for c in run.claims} for run in runs]
    heads = [_head(run, base) for run in runs]
    return {
        "study": study,
        "title": runs[0].title,
        "asked": str(runs[0].record.get("asked") or runs[0].title),
        "runs": heads,
        "rows": [_row(id, records) for id in ids],
        "figures": _figures(study, runs, _labels(heads)),
    }


def _labels(heads: list[dict[str, Any]]) -> list[str]:
    """What tells the runs apart in a legend: their models or seeds where these differ, else
    their names."""
    for choice in zip(*(head["short"] for head in heads), strict=True):
        if len(set(choice)) == len(heads):
            return list(choice)
    names = [head["name"] for head in heads]
    distinct = len(set(names)) == len(names)
    return names if distinct else [f"{i} {name}" for i, name in enumerate(names, 1)]


def _row(id: Any, records: list[dict[Any, dict[str, Any]]]) -> dict[str, Any]:
    found = [by_id[id] for by_id in records if id in by_id]
    cells = [claim(by_id[id]) if id in by_id else None for by_id in records]
    return {
        "text": str(found[0].get("text") or id),
        "sanity": bool(found[0].get("sanity")),
        "cells": cells,
        "picture": glyph.picture(*found),
    }


def _figures(study: str, runs: list[RunFolder], labels: list[str]) -> list[dict[str, Any]]:
    """The figures that all runs have and that can be overlaid, the study's own choice first."""
    if len(runs) < 2:
        return []
    chosen = str(runs[0].card.get("figure") or "")
    shared = [n for n in runs[0].names("figure") if all(n in r.names("figure") for r in runs[1:])]
    captions = {s["name"]: s.get("caption") for s in runs[0].sections if s["kind"] == "figure"}
    found = []
    for name in sorted(shared, key=lambda n: n != chosen):
        specs = [(label, run.figure(name)) for label, run in zip(labels, runs, strict=True)]
        if (spec := overlay(specs)) is not None:
            key, caption = f"{study}.{name}", str(captions.get(name) or "")
            found.append({"key": key, "spec": spec, "caption": caption})
    return found


def _head(run: RunFolder, base: Path) -> dict[str, Any]:
    path = run.path.resolve()
    inside = path.is_relative_to(base)
    models = list(dict.fromkeys(str(c.get("model")) for c in run.certificates if c.get("model")))
    record = run.record
    config = record.get("config") or {}
    about = [", ".join(models), str(config.get("data") or ""), str(record.get("preset") or "")]
    about.append(f"seed {record.get('seed')}")
    return {
        "name": storable(path.name),
        "short": [", ".join(models), f"seed {record.get('seed')}"],
        # a page that is moved keeps its links only to what moves with it
        "link": quote((path / "report.html").relative_to(base).as_posix())
        if inside
        else (path / "report.html").as_uri(),
        "about": " · ".join(filter(None, about)),
        "answer": str(record.get("answer") or ""),
        "tally": tally(run.claims),
    }
