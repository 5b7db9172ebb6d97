"""Pieces of a table put together: text lies in one piece of memory or, where there is much of it,
in a file.

Text is kept as Arrow arrays, which make a Python value of a cell only when it is asked for. More
than 64 MB of a column's text go to a file without a name that is mapped (`inscape.core.scratch`).

Cost: 8 bytes of memory a number, the text once; of much text, nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from inscape.core.scratch import Scratch, Sink

#: bytes of a column's text that are held in memory
HELD = 64 << 20
#: a column of some rows: Python values, or numbers
Cells = Sequence[Any] | np.ndarray
_TEXT = pa.schema([("text", pa.large_string())])


class Gathered:
    """A table that grows by pieces; a column that a piece lacks is missing there."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._rows = 0

    def add(self, piece: Mapping[str, Cells], rows: int) -> None:
        """Put so many rows at the end."""
        for name in piece:
            if name not in self._columns:
                self._columns[name] = _Column()
                self._columns[name].add([None] * self._rows)
        for name, column in self._columns.items():
            column.add(piece.get(name, [None] * rows))
        self._rows += rows

    def frame(self) -> pd.DataFrame:
        """The table."""
        return pd.DataFrame(
            {name: column.series() for name, column in self._columns.items()}
        ).infer_objects()


class _Column:
    """Text as long as every cell is text or missing; numbers as long as they come as arrays; else
    Python values.
    """

    def __init__(self) -> None:
        self._texts: list[pa.Array] = []
        self._size = 0
        self._filed: Filed | None = None
        self._arrays: list[np.ndarray] = []
        self._values: list[Any] | None = None

    def add(self, cells: Cells) -> None:
        if isinstance(cells, np.ndarray):
            self._arrays.append(cells)
            return
        if self._values is None:
            try:
                self._text(pa.array(cells, type=pa.large_string()))
                return
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                self._values = self._every().to_pylist()
        self._values.extend(cells)

    def _text(self, found: pa.Array) -> None:
        self._size += found.nbytes
        if self._filed is None and self._size > HELD:
            self._filed = Filed(_TEXT)
            for earlier in self._texts:
                self._filed.add(pa.record_batch([earlier], schema=_TEXT))
            self._texts = []
        if self._filed is None:
            self._texts.append(found)
        else:
            self._filed.add(pa.record_batch([found], schema=_TEXT))

    def _every(self) -> pa.ChunkedArray:
        if self._filed is not None:
            return self._filed.read().column(0)
        return pa.chunked_array(self._texts, type=pa.large_string())

    def series(self) -> pd.Series:
        if self._arrays:
            return pd.Series(np.concatenate(self._arrays))
        if self._values is not None:
            return pd.Series(self._values, dtype=object)
        text = self._every()
        if text.null_count == len(text):
            return pd.Series([None] * len(text), dtype=object)
        dtype = pd.StringDtype("pyarrow", na_value=np.nan)
        return pd.Series(pd.arrays.ArrowStringArray(text, dtype=dtype))


class Filed:
    """A table in a file: written piece by piece, then mapped.

    Args:
        schema: of the pieces.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._scratch = Scratch()
        self._writer = pa.ipc.new_stream(pa.PythonFile(Sink(self._scratch)), schema)

    def add(self, piece: pa.RecordBatch) -> None:
        """Write some rows."""
        self._writer.write_batch(piece)

    def read(self) -> pa.Table:
        """All of it; nothing is added afterwards."""
        self._writer.close()
        mapped = pa.py_buffer(self._scratch.map())
        return pa.ipc.open_stream(pa.BufferReader(mapped)).read_all()


def frame_of(schema: pa.Schema, pieces: Iterable[pa.RecordBatch]) -> pd.DataFrame:
    """A table of pieces; from 64 MB on it lies in a file.

    Args:
        schema: of the pieces.
        pieces: its rows, taken some at a time.
    """
    held: list[pa.RecordBatch] = []
    size, filed = 0, None
    for piece in pieces:
        size += piece.nbytes
        if filed is None and size > HELD:
            filed = Filed(schema)
            for earlier in held:
                filed.add(earlier)
            held = []
        if filed is None:
            held.append(piece)
        else:
            filed.add(piece)
    if filed is None:
        return pa.Table.from_batches(held, schema).to_pandas()
    return filed.read().to_pandas(split_blocks=True, self_destruct=True)
