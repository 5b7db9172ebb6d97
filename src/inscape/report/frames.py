"""A table of a run folder as a data frame, bounded before it is unfolded.

Parquet repeats a value for a few bits, so that a small file can hold a table of any size. Rows,
columns and the size after decompression are read from the file's footer first; texts stay in the
form in which each value is kept once until the letters of all rows are counted. Cost: reading the
file once.
"""

from __future__ import annotations

import io
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from inscape.core.characters import storable
from inscape.core.foreign import reason

BYTES, UNFOLDED, ROWS, COLUMNS, CELLS = 512 << 20, 1 << 30, 5_000_000, 1_000, 50_000_000


def read(content: bytes) -> pd.DataFrame:
    """The table that a Parquet file holds.

    Args:
        content: the file.

    Returns:
        A data frame whose column names are distinct texts and whose texts have only characters that
        a page can hold.

    Raises:
        ValueError: it is not Parquet, or larger than the bounds.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _bounded(file.metadata)
        texts = [f.name for f in file.schema_arrow if _is_text(f.type)]
        table = pq.ParquetFile(io.BytesIO(content), read_dictionary=texts).read(use_threads=False)
        columns = [_plain(table.column(i)) for i in range(table.num_columns)]
        frame = pa.table(columns, names=_names(table.column_names)).to_pandas(
            ignore_metadata=True, use_threads=False
        )
        for name in frame.columns:
            if not pd.api.types.is_numeric_dtype(frame[name]):
                frame[name] = frame[name].map(_clean, na_action="ignore")
    except (
        Exception
    ) as error:  # a damaged file makes Arrow raise whatever it meets, even while a cell is read
        raise ValueError(reason(error)) from error
    return frame


def _bounded(found: Any) -> None:
    rows, columns = found.num_rows, found.num_columns
    if not 0 <= rows <= ROWS or columns > COLUMNS or rows * columns > CELLS:
        raise ValueError(f"it has {rows:,} rows and {columns:,} columns, more than a report shows")
    size = sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups))
    if size > UNFOLDED:
        raise ValueError(f"it would unfold to {size:,} bytes, more than a report shows")


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_binary(kind)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with dictionaries unfolded, once their letters in all rows are counted."""
    if not pa.types.is_dictionary(column.type):
        return column
    letters = 0
    if _is_text(column.type.value_type) or pa.types.is_large_string(column.type.value_type):
        for chunk in column.chunks:
            lengths = pc.take(pc.binary_length(chunk.dictionary), chunk.indices)
            letters += pc.sum(lengths.cast(pa.int64())).as_py() or 0
    if letters > UNFOLDED:
        raise ValueError(f"its texts would unfold to {letters:,} bytes, more than a report shows")
    return column.cast(column.type.value_type)


def _names(names: list[str]) -> list[str]:
    clean = [storable(name) for name in names]
    if len(set(clean)) < len(clean):
        raise ValueError("two of its columns have one name")
    return clean


def _clean(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return storable(value) if isinstance(value, str) else value
