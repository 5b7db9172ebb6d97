"""Data sets of Hugging Face's `datasets` library, read some rows at a time.

The library keeps a data set in Arrow files that it maps; here its columns of numbers and text go to
a table, much of it in a file without a name (`inscape.data.gathered`). Columns of lists, records
and pictures, which no example is made of, are left out where they are large.

Cost: one pass; memory of some rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inscape.core.errors import DataError, suggest
from inscape.core.foreign import foreign
from inscape.data.card import DatasetCard

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

log = logging.getLogger(__name__)

_MARKERS = ("dataset_info.json", "state.json", "dataset_dict.json")
_ROWS = 1000  # at a time


def is_hugging_face(name: str) -> bool:
    """Whether a name is ``hf:NAME``, or a folder that ``save_to_disk`` wrote."""
    try:
        return name.startswith("hf:") or any((Path(name) / marker).is_file() for marker in _MARKERS)
    except (
        OSError,
        ValueError,
    ):  # longer than the file system's names can be, or with a zero in it
        return False


def read(name: str, limit: int | None) -> tuple[pd.DataFrame, DatasetCard]:
    """A data set's rows, and what it is.

    Args:
        name: ``hf:NAME[:SPLIT]``, ``hf:NAME:CONFIG:SPLIT``, or a folder with or without ``hf:``.
        limit: only the first so many rows.

    Raises:
        DataError: the library is missing, there is no such data set or split, or it is damaged.
    """
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"{name!r} needs the datasets library; install it with: pip install "
            "'inscape[datasets]'."
        ) from None
    where = name.removeprefix("hf:")
    if not where:
        raise DataError("hf: needs a name, such as hf:imdb:test.")
    path, *rest = [where] if Path(where).exists() else where.split(":")
    if len(rest) > 2:
        raise DataError(
            f"{name!r} has too many parts; write hf:NAME:SPLIT or hf:NAME:CONFIG:SPLIT."
        )
    split = rest[-1] if rest else "train"
    with foreign(
        DataError, f"{name!r} cannot be loaded", "check the name, the split and the network"
    ):
        if Path(path).is_dir() and is_hugging_face(path):
            from inscape.data.arrow_files import check_arrow_files

            try:
                check_arrow_files(Path(path))
            except DataError as error:
                raise DataError(f"{name!r} cannot be loaded: {error}") from error
            data: Any = datasets.load_from_disk(path)
        else:
            data = datasets.load_dataset(path, rest[0] if len(rest) == 2 else None, split=split)
    if isinstance(data, datasets.DatasetDict):
        if split not in data:
            raise DataError(
                f"{name!r} has no split {split!r}. {suggest(split, data)} Write hf:FOLDER with one "
                "split saved."
            )
        data = data[split]
    card = DatasetCard(where, f"the data set {where}", source=f"Hugging Face data set {where}")
    with foreign(DataError, f"{name!r} cannot be read", "save or fetch it again"):
        data = data if limit is None else data.select(range(min(limit, len(data))))
        return _frame(data), card


def _frame(data: Any) -> pd.DataFrame:
    import pyarrow as pa

    from inscape.data.gathered import HELD, frame_of

    size = int(data.data.nbytes)
    if size <= HELD or not len(data):
        return data.to_pandas()
    left_out = [f.name for f in data.features.arrow_schema if pa.types.is_nested(f.type)]
    if left_out:
        log.warning(
            "the columns %s of lists or records are left out of %s bytes",
            ", ".join(left_out),
            f"{size:,}",
        )
    data = data.remove_columns(left_out).with_format("arrow")

    def batches() -> Iterator[pa.RecordBatch]:
        for piece in data.iter(batch_size=_ROWS):
            yield from piece.to_batches()

    return frame_of(data.features.arrow_schema, batches())
