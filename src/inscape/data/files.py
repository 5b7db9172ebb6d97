"""Tables from files: CSV, TSV, JSON Lines, JSON arrays and Parquet, read strictly.

Text files are UTF-8 and nothing is guessed: a ragged row, an undecodable byte or a broken line of
JSON is a `DataError` that names the line. Files are read some megabytes at a time
(`inscape.data.csv_files`, `inscape.data.json_files`, `inscape.data.parquet_files`); what a URL
names is fetched once into a file without a name.

Cost: one pass, about 1 µs a cell; CSV two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from inscape.core.errors import DataError
from inscape.data.columns import shown
from inscape.data.csv_files import COLUMNS, PIECE, check_header, csv_pieces
from inscape.data.gathered import Cells, Gathered
from inscape.data.json_files import records
from inscape.data.parquet_files import parquet_pieces, parquet_table
from inscape.data.source import Source

#: cells of a table of records for each character of theirs, and how many there may be in any case
SPARSE, _CELLS = 0.5, 10_000_000
_SURROGATE = re.compile("[\ud800-\udfff]")
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
        path: the file, or the URL of an object such as ``s3://bucket/cities.csv``; ``.csv``,
            ``.tsv``, ``.jsonl`` and ``.json`` (also with ``.gz``) or ``.parquet``.
        raw: a column of a CSV to leave as text, whatever it looks like; if None, the one that would
            be the input.

    Returns:
        The table, rows in file order. Much text lies in a file without a name
        (`inscape.data.gathered`).

    Raises:
        DataError: the file is not what its extension says; one sentence names the line and the
            cure.
    """
    shown, suffix, _ = _kind(path)
    if suffix == ".parquet":
        return parquet_table(path, shown)
    found = Gathered()
    for piece, rows in _pieces(path, raw):
        found.add(piece, rows)
    return found.frame()


def table_pieces(path: Path | str) -> Iterator[pd.DataFrame]:
    """The same table some rows at a time, so that no more are held; a piece may lack columns that
    others have.

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
    yield from parquet_pieces(path, shown)


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
    """Records some at a time."""
    waiting: list[dict[str, Any]] = []
    names: set[str] = set()
    size = count = read = 0
    for record, long in records(source, array):
        waiting.append(record)
        names.update(record)
        size, count, read = size + long, count + 1, read + long
        if size > PIECE or len(names) > COLUMNS:
            _check_names(names, count, read, source.shown)
            yield _columns(waiting, source.shown), len(waiting)
            waiting, size = [], 0
    if not count:
        raise DataError(f"{source.shown} has no examples; give at least one.")
    if not names:
        check_header([], source.shown)
    _check_names(names, count, read, source.shown)
    if waiting:
        yield _columns(waiting, source.shown), len(waiting)


def _check_names(names: set[str], rows: int, characters: int, shown: str) -> None:
    """Refuse records that have so little in common that their table would be far larger than they
    are.
    """
    if len(names) > COLUMNS or len(names) * rows > max(_CELLS, SPARSE * characters):
        raise DataError(
            f"{shown} names {len(names):,} columns in its first {rows:,} records, most of which "
            "lack most of them; give every record the same few names."
        )


def _columns(records: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    names = dict.fromkeys(key for record in records for key in record)
    if names:
        check_header(list(names), name)
    found = {key: [record.get(key) for record in records] for key in names}
    for value in (value for cells in found.values() for value in cells):
        if isinstance(value, str) and _SURROGATE.search(value):
            raise DataError(
                f"{name} has half a character (a lone surrogate) in {shown(value)}; repair the "
                "text."
            )
    return found
