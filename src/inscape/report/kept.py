"""Runs kept as one small file each: what a page of results needs, without tables, figures and
arrays.

    {"about": "Made by `inscape results` …", "run": run.json, "claims": claims.json, "certificates":
    certificates.json}

A repository keeps these beside its page of results, so that the page can be made again, and grow by
a study, without the folders of all runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from inscape.core.errors import RunError
from inscape.core.overwriting import refuse_foreign
from inscape.report import files, record
from inscape.report.files import CURE
from inscape.report.folder import RunFolder, read

_ABOUT = "Made by `inscape results` from a finished run; the page of results is made from these."
_MARK = b"ade by `inscape results`"


def keep(runs: Sequence[str | Path], folder: Path) -> list[RunFolder]:
    """Keep the records of runs in a folder, and read all that are in it.

    A run takes the place of one of the same study, preset, model, data and seed.

    Args:
        runs: finished run folders.
        folder: where records are kept; it is made if it is missing.

    Returns:
        Every kept run, in the order of their files' names.

    Raises:
        RunError: there is no run, a run or a record is damaged, or a file of somebody else is in
            the way.
    """
    target = files.Target(folder, files.ELSEWHERE)
    for path in runs:
        run = read(path)
        kept = {
            "about": _ABOUT,
            "run": {k: v for k, v in run.record.items() if k not in ("sections", "arrays")},
            "claims": run.claims,
            "certificates": run.certificates,
        }
        name = _name(run)
        refuse_foreign(folder / name, _MARK, RunError)
        target.write(name, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    found = [kept_run(path) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise RunError(f"There is no run in {folder}: give one or more run folders.")
    return found


def kept_run(file: Path) -> RunFolder:
    """A run read from its kept record; it has claims and certificates, and no tables or figures.

    Raises:
        RunError: the file is damaged, or no record.
    """
    held = record.parsed(file, files.load(file.parent, file.name, record.BYTES))
    if not isinstance(held, dict) or not {"run", "claims", "certificates"} <= held.keys():
        raise RunError(
            f"{file} is not a record of a run; records are made by `inscape results`. {CURE}"
        )
    parts = {k: json.dumps(held[k]).encode() for k in ("run", "claims", "certificates")}
    return RunFolder(
        file,
        record.run(file, parts["run"]),
        record.claims(file, parts["claims"]),
        record.certificates(file, parts["certificates"]),
        [],
    )


def _name(found: RunFolder) -> str:
    about = found.record
    config = about.get("config") or {}
    words = [about["study"], about.get("preset"), config.get("model"), config.get("data")]
    named = [str(w).lower().removeprefix("world:") for w in words if w]
    plain = [re.sub(r"[^a-z0-9.]+", "-", w).strip("-.")[:40] for w in named]
    return "_".join([*plain, f"s{about.get('seed', 0)}"]) + ".json"
