"""A run folder, read and checked.

::

    RUN/run.json  certificates.json  claims.json  tables/NAME.parquet  figures/NAME.json  arrays/  log.txt  done

Whatever is missing, unfinished or damaged ends here, in one sentence with its cure; the rest of the
report takes what this gives as true. Nothing in a run folder is trusted: records have types
(`inscape.report.record`), files are plain files inside the folder (`inscape.report.files`), figures
are held to `inscape.charts.specification`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from inscape.charts import specification
from inscape.core.errors import RunError
from inscape.report import frames, record
from inscape.report.files import CURE, exists, load, plain

_ARRAYS = 8 << 30


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Attributes:
        path: the folder.
        record: ``run.json``: study, card, preset, seed, config, command, times, environment, asked,
            answer, warnings.
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
            RunError: the file is missing, not a Parquet file, or larger than a report can show.
        """
        file = plain(self.path, f"tables/{name}.parquet")
        content = load(self.path, f"tables/{name}.parquet", frames.BYTES)
        try:
            return frames.read(content)
        except ValueError as error:
            raise RunError(f"The table {file} cannot be read: {_first(error)}. {CURE}") from error

    def figure(self, name: str) -> dict[str, Any]:
        """The Vega-Lite specification of a figure.

        Raises:
            RunError: the file is missing, or not a specification that may be drawn.
        """
        file = self.path / "figures" / f"{name}.json"
        spec = _specification(file, load(self.path, f"figures/{name}.json", specification.FILE))
        try:
            return specification.checked(spec)
        except (specification.Refused, RecursionError) as error:
            raise RunError(f"The figure {file} cannot be drawn: {_first(error)}. {CURE}") from error

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Arrays of the run by name.

        Raises:
            RunError: the file is missing or not a safetensors file.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load as arrays_of

        content = load(self.path, f"arrays/{name}.safetensors", _ARRAYS)
        try:
            return arrays_of(content)
        except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise _arrays_error(self.path, name, error) from error


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
    if path.is_file():
        raise RunError(f"{path} is a file. Give a run folder, as `inscape run STUDY` makes it.")
    if not path.is_dir():
        raise RunError(
            f"There is no run folder {path}; `inscape run STUDY` makes one and prints where it is."
        )
    if not exists(path, "run.json"):
        raise RunError(
            f"{path} is not a run folder: it has no run.json. Give the folder that `inscape run` "
            "printed."
        )
    found = record.run(path / "run.json", load(path, "run.json", record.BYTES))
    if not exists(path, "done"):
        why = f": {found['failed'].rstrip('.')}" if found.get("failed") else ""
        raise RunError(
            f"The run in {path} is unfinished{why}. Run it again: "
            f"{found.get('command') or 'inscape run'}"
        )
    plain(path, "done")
    claims, certificates = (
        reader(path / name, load(path, name, record.BYTES)) if exists(path, name) else []
        for name, reader in (
            ("claims.json", record.claims),
            ("certificates.json", record.certificates),
        )
    )
    sections = found.get("sections") or []
    _distinct(path, sections)
    for section in sections:
        folder, suffix = {"table": ("tables", "parquet"), "figure": ("figures", "json")}.get(
            section["kind"], ("", "")
        )
        if folder:
            plain(path, f"{folder}/{section['name']}.{suffix}")
    for entry in found.get("arrays") or []:
        _arrays(path, entry["name"])
    return RunFolder(path, found, claims, certificates, sections)


def _distinct(path: Path, sections: list[dict[str, Any]]) -> None:
    names = [(section["kind"], section["name"]) for section in sections]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise RunError(
            f"{path / 'run.json'} is damaged: it names the {twice[0]} {twice[1]} twice. {CURE}"
        )


def _arrays(path: Path, name: str) -> None:
    """Refuse arrays whose file is there but whose header is not one; a folder may travel without
    its arrays.
    """
    if not exists(path, f"arrays/{name}.safetensors"):
        return
    file = plain(path, f"arrays/{name}.safetensors")
    try:
        with file.open("rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > min(file.stat().st_size, record.BYTES):
                raise ValueError("its header is longer than the file")
            header = record.parsed(file, opened.read(length))
        if not isinstance(header, dict):
            raise ValueError("its header is no JSON object")
        ends = [int(v["data_offsets"][1]) for k, v in header.items() if k != "__metadata__"]
        if max(ends, default=0) + 8 + length != file.stat().st_size:
            raise ValueError("its size is not the one its header tells")
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
        raise _arrays_error(path, name, error) from error


def _arrays_error(path: Path, name: str, error: Exception) -> RunError:
    file = path / "arrays" / f"{name}.safetensors"
    return RunError(f"The arrays {file} cannot be read: {_first(error)}. {CURE}")


def _specification(file: Path, content: bytes) -> dict[str, Any]:
    import json

    try:
        spec = json.loads(content.decode())
    except RecursionError as error:
        raise RunError(f"{file} is damaged: it is nested too deeply. {CURE}") from error
    except ValueError as error:
        raise RunError(f"{file} cannot be read: {_first(error)}. {CURE}") from error
    if not isinstance(spec, dict):
        raise RunError(f"{file} is damaged: it must hold a JSON object. {CURE}")
    return spec


def _first(error: Exception) -> str:
    from inscape.core.characters import visible

    lines = str(error).strip().splitlines() or [type(error).__name__]
    return visible(lines[0])[:300].rstrip(".")
