"""Tables from files: CSV, TSV, JSON Lines, JSON arrays and Parquet, read strictly.

Text files are UTF-8 and nothing is guessed: a ragged row, an undecodable byte or a broken line of JSON is a `DataError`
that names the line. CSV is `inscape.data.csv_files`. Files are read some megabytes at a time; the objects of a URL, and
JSON that is one array, whole.

Cost: one pass, about 1 µs a cell; CSV two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.core.urls import is_url
from inscape.data.columns import shown
from inscape.data.csv_files import PIECE, check_header, csv_pieces
from inscape.data.gathered import HELD, Cells, Filed, Gathered
from inscape.data.source import Source, whole

_SURROGATE = re.compile("[\ud800-\udfff]")
_ROWS, _BUFFER = 4096, 1 << 20  # of a Parquet file at a time
SUFFIXES = (
    ".csv",
    ".tsv",
    ".jsonl",
    ".ndjson",
    ".json",
    ".parquet",
    ".csv.gz",
    ".tsv.gz",
    ".jsonl.gz",
)


def read_table(path: Path | str, raw: str | None = None) -> pd.DataFrame:
    """A table from a file, by its extension.

    Args:
        path: the file, or the URL of an object such as ``s3://bucket/cities.csv``; ``.csv``, ``.tsv``, ``.jsonl`` and
            ``.json`` (also with ``.gz``) or ``.parquet``.
        raw: a column of a CSV to leave as text, whatever it looks like; if None, the one that would be the input.

    Returns:
        The table, rows in file order. Much text lies in a file without a name (`inscape.data.gathered`).

    Raises:
        DataError: the file is not what its extension says; one sentence names the line and the cure.
    """
    shown, suffix, _ = _kind(path)
    if suffix == ".parquet":
        return _parquet(path, shown)
    found = Gathered()
    for piece, rows in _pieces(path, raw):
        found.add(piece, rows)
    return found.frame()


def table_pieces(path: Path | str) -> Iterator[pd.DataFrame]:
    """The same table some rows at a time, so that no more are held; a piece may lack columns that others have.

    Raises:
        DataError: as `read_table`, as soon as what is wrong is read.
    """
    shown, suffix, _ = _kind(path)
    if suffix != ".parquet":
        for piece, rows in _pieces(path, None):
            found = Gathered()
            found.add(piece, rows)
            yield found.frame()
        return
    with foreign(DataError, f"{shown} is not a readable Parquet file", "write it again"):
        file = _parquet_file(path, shown)
        for batch in _batches(file):
            yield batch.to_pandas()


def _kind(path: Path | str) -> tuple[str, str, bool]:
    """What messages call a file, its extension, and whether it is gzip."""
    shown = PurePosixPath(path).name
    name = shown.lower()
    zipped = name.endswith(".gz")
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix not in (".csv", ".tsv", ".jsonl", ".ndjson", ".json") and (
        suffix != ".parquet" or zipped
    ):
        raise DataError(
            f"{shown} has an unknown extension; a table is one of {', '.join(SUFFIXES)}."
        )
    return shown, suffix, zipped


def _pieces(path: Path | str, raw: str | None) -> Iterator[tuple[Mapping[str, Cells], int]]:
    """A text file some rows at a time: column → cells, and how many rows."""
    shown, suffix, zipped = _kind(path)
    source = Source(path, shown, zipped)
    first = source.first()
    if not first:
        raise DataError(f"{shown} is empty; give a file with at least one example.")
    if suffix in (".csv", ".tsv"):
        return csv_pieces(source, "\t" if suffix == ".tsv" else ",", raw)
    return _json(source, first == "[")


def _json(source: Source, array: bool) -> Iterator[tuple[Mapping[str, Cells], int]]:
    """Records some at a time; those of a JSON array are read at once."""
    waiting: list[dict[str, Any]] = []
    size = count = named = 0
    for record, long in _array(source) if array else _lines(source):
        waiting.append(record)
        size, count, named = size + long, count + 1, named or len(record)
        if size > PIECE:
            yield _columns(waiting, source.shown), len(waiting)
            waiting, size = [], 0
    if not count:
        raise DataError(f"{source.shown} has no examples; give at least one.")
    if not named:
        check_header([], source.shown)
    if waiting:
        yield _columns(waiting, source.shown), len(waiting)


def _columns(records: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    names = dict.fromkeys(key for record in records for key in record)
    if names:
        check_header(list(names), name)
    found = {key: [record.get(key) for record in records] for key in names}
    for value in (value for cells in found.values() for value in cells):
        if isinstance(value, str) and _SURROGATE.search(value):
            raise DataError(
                f"{name} has half a character (a lone surrogate) in {shown(value)}; repair the text."
            )
    return found


def _lines(source: Source) -> Iterator[tuple[dict[str, Any], int]]:
    """The objects of lines, each with its length in characters."""
    with source.text("\n") as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                where = f"{source.shown}, line {number}"
                yield _record(_parse(line.removesuffix("\n"), where), where), len(line)


def _array(source: Source) -> Iterator[tuple[dict[str, Any], int]]:
    with source.text("") as stream:
        text = stream.read()
    values = _parse(text, source.shown)
    long = len(text) // max(1, len(values))
    for number, value in enumerate(values):
        yield _record(value, f"{source.shown}, item {number}"), long


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where} is not JSON: {error.msg} at character {error.pos}; write one object a line."
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{where} cannot be read as JSON: {str(error).split(';')[0]}; simplify the value."
        ) from None


def _record(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f'{where} is {type(value).__name__}, not an object; write {{"text": ..., "label": ...}} on each line.'
        )
    return value


def _parquet_file(path: Path | str, shown: str) -> pq.ParquetFile:
    """A Parquet file that is read a buffer at a time."""
    source = pa.BufferReader(whole(path, shown)) if isinstance(path, str) and is_url(path) else path
    file = pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False)
    names = file.schema_arrow.names
    twice = next((c for i, c in enumerate(names) if c in names[:i]), None)
    if twice is not None:
        raise DataError(f"{shown} has two columns named {twice!r}; rename one.")
    return file


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(batch_size=_ROWS):
        # text that is not UTF-8 would be found out at the first look at a cell
        batch.validate(full=True)
        yield batch


def _parquet(path: Path | str, shown: str) -> pd.DataFrame:
    with foreign(DataError, f"{shown} is not a readable Parquet file", "write it again"):
        file = _parquet_file(path, shown)
        sizes = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
        if sum(sizes) <= HELD:
            table = file.read()
            table.validate(full=True)
            return table.to_pandas()
        filed = Filed(file.schema_arrow)
        for batch in _batches(file):
            filed.add(batch)
        return filed.read().to_pandas(split_blocks=True, self_destruct=True)
