"""Arrow files of a saved Hugging Face data set, checked before they are mapped into memory.

The library maps the files that ``state.json`` names and trusts their offsets: a damaged one ends
the interpreter. Here each is read once, batch by batch, with Arrow's full validation; a compressed
batch (`inscape.data.arrow_messages`) and a name that leads out of the folder are refused.

Cost: one pass over the files; memory of a batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from inscape.core import records
from inscape.core.errors import DataError
from inscape.core.foreign import reason
from inscape.data.arrow_messages import check_messages

_CURE = "save the data set again"


class _File(msgspec.Struct):
    """A file that the state names."""

    filename: str


class _State(msgspec.Struct):
    """What is used of ``state.json``."""

    files: list[_File] = msgspec.field(name="_data_files", default_factory=list)
    indices: list[_File] | None = msgspec.field(name="_indices_data_files", default=None)


class _Splits(msgspec.Struct):
    """What ``dataset_dict.json`` says."""

    splits: list[str]


def check_arrow_files(folder: Path) -> None:
    """Read the files of a saved data set, or of each of its splits, once.

    Raises:
        DataError: a file is missing, leads out, or is damaged.
    """
    if not (folder / "dataset_dict.json").exists():
        _check_split(folder)
        return
    for name in records.read(folder / "dataset_dict.json", _Splits, cure=_CURE).splits:
        if Path(name).name != name or name in ("", ".", ".."):
            raise DataError(f"{folder} names a split {name!r:.80} outside itself; {_CURE}.")
        _check_split(folder / name)


def _check_split(folder: Path) -> None:
    state = records.read(folder / "state.json", _State, cure=_CURE)
    records.read(folder / "dataset_info.json", dict[str, Any], cure=_CURE)
    for file in [*state.files, *(state.indices or [])]:
        path = folder / file.filename
        if Path(file.filename).name != file.filename or "\0" in file.filename:
            raise DataError(f"{folder} names {file.filename!r:.80}, outside itself; {_CURE}.")
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{path} is missing or leads out of the folder; {_CURE}.")
        try:
            # mapped, a length that the file does not have is found out before memory is taken for
            # it
            with pa.memory_map(str(path)) as source:
                check_messages(source, source.size())
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
                for batch in stream:
                    batch.validate(full=True)
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise DataError(
                f"{path} is damaged, or no Arrow stream ({reason(error)}); {_CURE}."
            ) from error
