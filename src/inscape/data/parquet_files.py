"""Tables from Parquet files, read some rows at a time and never unfolded beyond what tables take.

Cost: one pass; memory of some rows. Much text lies in a file without a name
(`inscape.data.gathered`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.core.urls import is_url
from inscape.data import parquet_pages as pages
from inscape.data.csv_files import COLUMNS
from inscape.data.gathered import frame_of
from inscape.data.source import fetched

_BUFFER = 1 << 20


def parquet_table(path: Path | str, shown: str) -> pd.DataFrame:
    """All of a file.

    Args:
        path: the file, or the URL of an object.
        shown: what messages call it.

    Raises:
        DataError: it is damaged, has two columns of one name, or unfolds to far more than tables
            do.
    """
    with _opened(path, shown) as (file, extent):
        return frame_of(file.schema_arrow, _batches(file, extent))


def parquet_pieces(path: Path | str, shown: str) -> Iterator[pd.DataFrame]:
    """The same some rows at a time; raises as `parquet_table`."""
    with _opened(path, shown) as (file, extent):
        for batch in _batches(file, extent):
            yield batch.to_pandas()


@contextmanager
def _opened(path: Path | str, shown: str) -> Iterator[tuple[pq.ParquetFile, pages.Extent]]:
    """A file that is read a buffer at a time, and what reading it takes."""
    with foreign(DataError, f"{shown} is not a readable Parquet file", "write it again"):
        if isinstance(path, str) and is_url(path):
            kept = fetched(path, shown)
            source: Any = pa.BufferReader(pa.py_buffer(kept.map()) if kept.size else b"")
            with _checked(source, kept.size, kept.read, shown) as found:
                yield found
            return
        with open(path, "rb") as raw:
            handle = raw.fileno()

            def read(start: int, length: int) -> bytes:
                return os.pread(handle, length, start)

            with _checked(path, os.fstat(handle).st_size, read, shown) as found:
                yield found


@contextmanager
def _checked(
    source: Any, size: int, read: Callable[[int, int], bytes], shown: str
) -> Iterator[tuple[pq.ParquetFile, pages.Extent]]:
    with pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False) as file:
        names = file.schema_arrow.names
        if len(names) > COLUMNS:
            raise DataError(
                f"{shown} has more than {COLUMNS:,} columns; keep those that are needed."
            )
        twice = next((c for i, c in enumerate(names) if c in names[:i]), None)
        if twice is not None:
            raise DataError(f"{shown} has two columns named {twice!r}; rename one.")
        yield file, pages.extent(file, size, read)


def _batches(file: pq.ParquetFile, extent: pages.Extent) -> Iterator[pa.RecordBatch]:
    unfolded = 0
    for batch in file.iter_batches(batch_size=extent.rows):
        # text that is not UTF-8 would be found out at the first look at a cell
        batch.validate(full=True)
        unfolded += batch.nbytes
        if unfolded > extent.most:
            raise ValueError(
                f"it unfolds to more than {extent.most:,} bytes, which no table of text does"
            )
        yield batch
