"""A run folder, read and checked.

::

    RUN/run.json  certificates.json  claims.json  tables/NAME.parquet  figures/NAME.json  arrays/  log.txt  done

Whatever is missing, unfinished or damaged ends here, in one sentence with its cure; the rest of the report takes what
this gives as true. Nothing in a run folder is trusted beyond that: names are checked, so that none leads out of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from inscape.core.errors import RunError

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")
_KINDS = ("table", "figure", "text")


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Attributes:
        path: the folder.
        record: ``run.json``: study, card, preset, seed, config, command, times, environment, asked, answer, warnings.
        claims: ``claims.json``.
        certificates: ``certificates.json``.
        sections: what is shown, in order; each with ``kind``, ``name`` and ``caption``.
    """

    path: Path
    record: dict[str, Any]
    claims: list[dict[str, Any]]
    certificates: list[dict[str, Any]]
    sections: list[dict[str, Any]]

    @property
    def card(self) -> dict[str, Any]:
        """The study's card."""
        return self.record.get("card") or {}

    @property
    def title(self) -> str:
        """The paper's title, or the study's name."""
        return str(self.card.get("title") or self.record["study"])

    def names(self, kind: str) -> list[str]:
        """The names of the sections of one kind, in order."""
        return [section["name"] for section in self.sections if section["kind"] == kind]

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run.

        Raises:
            RunError: the file is missing or not a Parquet file.
        """
        file = self.path / "tables" / f"{name}.parquet"
        try:
            return pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise RunError(
                f"The table {file} cannot be read: {_first(error)}. Run the study again."
            ) from error

    def figure(self, name: str) -> dict[str, Any]:
        """The Vega-Lite specification of a figure.

        Raises:
            RunError: the file is missing or not a specification.
        """
        file = self.path / "figures" / f"{name}.json"
        spec = _json(file, dict)
        if "vega-lite" not in str(spec.get("$schema", "")):
            raise RunError(
                f"The figure {file} is not a Vega-Lite specification. Run the study again."
            )
        return spec


def read(path: str | Path) -> RunFolder:
    """Read and check a run folder.

    Args:
        path: the folder that ``inscape run`` left.

    Returns:
        What is in it.

    Raises:
        RunError: it is missing, not a run folder, unfinished or damaged.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunError(
            f"There is no run folder {path}; `inscape run STUDY` makes one and prints where it is."
        )
    if not (path / "run.json").exists():
        raise RunError(
            f"{path} is not a run folder: it has no run.json. Give the folder that `inscape run` printed."
        )
    record = _json(path / "run.json", dict)
    if not (path / "done").exists():
        why = f": {str(record['failed']).rstrip('.')}" if record.get("failed") else ""
        raise RunError(
            f"The run in {path} is unfinished{why}. Run it again: {record.get('command') or 'inscape run'}"
        )
    if not isinstance(record.get("study"), str) or not isinstance(record.get("card") or {}, dict):
        raise RunError(f"{path / 'run.json'} names no study. Run the study again.")
    claims, certificates = (_rows(path / f"{name}.json") for name in ("claims", "certificates"))
    sections = record.get("sections") or []
    for section in sections if isinstance(sections, list) else [sections]:
        _check(section, path)
    return RunFolder(path, record, claims, certificates, sections)


def _check(section: Any, path: Path) -> None:
    if not isinstance(section, dict) or section.get("kind") not in _KINDS:
        raise RunError(
            f"{path / 'run.json'} has a section that is no table, figure or text. Run the study again."
        )
    if not _NAME.fullmatch(str(section.get("name"))):
        raise RunError(
            f"{path / 'run.json'} names a section {section.get('name')!r}, which no run writes."
        )
    folder, suffix = {"table": ("tables", "parquet"), "figure": ("figures", "json")}.get(
        section["kind"], ("", "")
    )
    file = path / folder / f"{section['name']}.{suffix}"
    if folder and not file.exists():
        raise RunError(
            f"The {section['kind']} {file} is missing from the run. Run the study again."
        )


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    rows = _json(file, list)
    if not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{file} is damaged: it must hold a list of records. Run the study again.")
    return rows


def _json(file: Path, kind: type) -> Any:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{file} cannot be read: {_first(error)}. Run the study again.") from error
    if not isinstance(value, kind):
        raise RunError(
            f"{file} is damaged: it must hold a JSON {'object' if kind is dict else 'list'}."
        )
    return value


def _first(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
