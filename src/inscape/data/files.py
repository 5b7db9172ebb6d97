"""Tables from files: CSV, TSV, JSON Lines, JSON arrays and Parquet, read strictly.

Text files are UTF-8 and nothing is guessed: a ragged row, an undecodable byte or a broken line of JSON is a `DataError`
that names the line. In CSV everything is text first; a column becomes numbers only if every cell that is not empty reads
as one (so "NA" stays Namibia and "007" stays an agent), and `raw` keeps the text for a column of numerals that is the
input. Cost: one pass, about 1 µs a cell.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.core.urls import is_url, objects
from inscape.data.columns import NUMERAL

#: how spreadsheets and libraries write a missing number; counted as missing only among numbers
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None"})
#: bytes that a gzip file may always unfold to, and how many times its own size beyond that
UNFOLDED, RATIO = 64 << 20, 30
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
        raw: a column of a CSV to leave as text, whatever it looks like.

    Returns:
        The table, rows in file order.

    Raises:
        DataError: the file is not what its extension says; one sentence names the line and the cure.
    """
    shown = PurePosixPath(path).name
    name = shown.lower()
    zipped = name.endswith(".gz")
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix == ".parquet" and not zipped:
        return _parquet(path, shown)
    if suffix not in (".csv", ".tsv", ".jsonl", ".ndjson", ".json"):
        raise DataError(
            f"{shown} has an unknown extension; a table is one of {', '.join(SUFFIXES)}."
        )
    text = _text(_bytes(path, shown), shown, zipped)
    if not text.strip():
        raise DataError(f"{shown} is empty; give a file with at least one example.")
    if suffix in (".csv", ".tsv"):
        return _csv(text, shown, "\t" if suffix == ".tsv" else ",", raw)
    return _json(text, shown)


def _bytes(path: Path | str, shown: str) -> bytes:
    try:
        return (
            objects(path).read("")
            if isinstance(path, str) and is_url(path)
            else Path(path).read_bytes()
        )
    except OSError as error:
        raise DataError(f"{shown} cannot be read: {error.strerror or error}.") from error


def _text(data: bytes, shown: str, zipped: bool) -> str:
    try:
        data = _unfolded(data, shown) if zipped else data
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise DataError(f"{shown} is not a whole gzip file; write it again.") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(
            f"{shown} is UTF-16, not UTF-8; save it as UTF-8, such as: iconv -f UTF-16 -t UTF-8."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{shown} is not UTF-8: byte 0x{data[error.start]:02x} on line {line}; save it as UTF-8, "
            "such as: iconv -f LATIN1 -t UTF-8."
        ) from None


def _unfolded(data: bytes, shown: str) -> bytes:
    """What is in a gzip file; one that would unfold to far more than tables do is refused before memory is taken."""
    most = max(UNFOLDED, RATIO * len(data))
    parts: list[bytes] = []
    size = 0
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        while part := file.read(1 << 20):
            size += len(part)
            if size > most:
                raise DataError(
                    f"{shown} has {len(data):,} bytes and unfolds to more than {most:,}, which no table of text does; "
                    "unfold it yourself if it is right."
                )
            parts.append(part)
    return b"".join(parts)


def _csv(text: str, name: str, delimiter: str, raw: str | None) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    header: list[str] | None = None
    try:
        for row in reader:
            if header is None:
                header = [cell.strip() for cell in row] if row else None
            elif row and len(row) != len(header):
                raise DataError(
                    f"{name} is ragged: line {reader.line_num} has {len(row)} cells and the header {len(header)}; "
                    "put cells that contain the separator in double quotes."
                )
            elif row:
                rows.append(row)
    except csv.Error as error:
        raise DataError(
            f"{name} cannot be read as CSV at line {reader.line_num}: {error}; is a double quote left open?"
        ) from None
    _check_header(header or [], name)
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in header or []]
    return pd.DataFrame(
        {
            column: pd.Series(
                list(cells) if column == raw else _typed(cells), dtype=None if rows else object
            )
            for column, cells in zip(header or [], columns, strict=True)
        }
    )


def _check_header(header: list[str], name: str) -> None:
    if "" in header or not header:
        raise DataError(
            f"{name} has a column without a name (column {[*header, ''].index('') + 1}); name every column."
        )
    if len(set(header)) < len(header):
        twice = next(c for i, c in enumerate(header) if c in header[:i])
        raise DataError(f"{name} has two columns named {twice!r}; rename one.")


def _typed(cells: tuple[str, ...]) -> list[Any]:
    """Numbers or truth values if every cell that is not missing is one, else the text as it is."""
    present = {cell for cell in cells if cell not in MISSING}
    if present and all(NUMERAL.fullmatch(cell) and len(cell) < 400 for cell in present):
        whole = all(re.fullmatch(r"[+-]?\d+", cell) for cell in present)
        return [math.nan if c in MISSING else (int(c) if whole else float(c)) for c in cells]
    if present and present <= {"True", "False"}:
        return [None if c in MISSING else c == "True" for c in cells]
    return [None if cell == "" else cell for cell in cells]


def _json(text: str, name: str) -> pd.DataFrame:
    records = list(_array(text, name) if text.lstrip().startswith("[") else _lines(text, name))
    if not records:
        raise DataError(f"{name} has no examples; give at least one.")
    names = dict.fromkeys(key for record in records for key in record)
    _check_header(list(names), name)
    columns = {
        key: pd.Series([record.get(key) for record in records], dtype=object) for key in names
    }
    try:
        return pd.DataFrame(columns).infer_objects()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{name} has half a character (a lone surrogate) in {error.object!r}; repair the text."
        ) from None


def _lines(text: str, name: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _record(_parse(line, f"{name}, line {number}"), f"{name}, line {number}")


def _array(text: str, name: str) -> Iterator[dict[str, Any]]:
    for number, value in enumerate(_parse(text, name)):
        yield _record(value, f"{name}, item {number}")


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


def _parquet(path: Path | str, shown: str) -> pd.DataFrame:
    source = (
        pa.BufferReader(_bytes(path, shown)) if isinstance(path, str) and is_url(path) else path
    )
    with foreign(DataError, f"{shown} is not a readable Parquet file", "write it again"):
        table = pq.ParquetFile(source).read()
        # text that is not UTF-8 would be found out at the first look at a cell
        table.validate(full=True)
        twice = next(
            (c for i, c in enumerate(table.column_names) if c in table.column_names[:i]), None
        )
        if twice is not None:
            raise DataError(f"{shown} has two columns named {twice!r}; rename one.")
        return table.to_pandas()
