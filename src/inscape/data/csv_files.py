"""CSV and TSV, read strictly and some megabytes at a time.

Everything is text first; a column becomes numbers only if every cell that is not empty reads as one
(so "NA" stays Namibia and "007" stays an agent). Whether it does is known only at the end of the
file, so a file is read twice: once to see what its columns are, once for its cells.

Cost: two passes, about 1 µs a cell; memory of a piece.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from inscape.core.errors import DataError
from inscape.data.columns import INPUTS, NUMERAL
from inscape.data.gathered import Cells
from inscape.data.source import Source

#: how spreadsheets and libraries write a missing number; counted as missing only among numbers
MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None"})
#: characters of a table's text that are held as Python values at a time
PIECE = 2 << 20
#: columns of the widest table that is read
COLUMNS = 10_000
_WHOLE = re.compile(r"[+-]?\d+")
_LONGEST = 400  # characters of a numeral
_DIGITS = 18  # of a whole number that 64 bits are sure to hold


@dataclass
class _Column:
    """What may still be said of a column's cells, missing ones aside: there are some; all are
    numerals, whole ones, whole ones of 64 bits, truth values."""

    some: bool = False
    numbers: bool = True
    whole: bool = True
    short: bool = True
    truths: bool = True

    def see(self, cells: Sequence[str]) -> None:
        if not (self.numbers or self.truths):
            return
        present = set(cells) - MISSING
        if not present:
            return
        self.some = True
        self.truths = self.truths and present <= {"True", "False"}
        self.numbers = self.numbers and all(
            len(c) < _LONGEST and NUMERAL.fullmatch(c) for c in present
        )
        self.whole = self.numbers and self.whole and all(map(_WHOLE.fullmatch, present))
        self.short = self.short and max(map(len, present)) <= _DIGITS

    @property
    def text(self) -> bool:
        """Whether its cells are text."""
        return self.some and not (self.numbers or self.truths)

    def typed(self, cells: Sequence[str]) -> Cells:
        """Numbers or truth values if every cell that is not missing is one, else the text as it
        is.
        """
        if self.some and self.numbers:
            if self.whole and not self.short:
                return [math.nan if c in MISSING else int(c) for c in cells]
            if self.whole and MISSING.isdisjoint(cells):
                return np.array(list(map(int, cells)), dtype=np.int64)
            return np.array([math.nan if c in MISSING else float(c) for c in cells])
        if self.some and self.truths:
            return [None if c in MISSING else c == "True" for c in cells]
        return [None if cell == "" else cell for cell in cells]


def csv_pieces(
    source: Source, delimiter: str, raw: str | None = None
) -> Iterator[tuple[dict[str, Cells], int]]:
    """A file's columns, some rows at a time, and how many.

    Args:
        source: the file.
        delimiter: between cells.
        raw: a column to leave as text, whatever it looks like; if None, the one that would be the
            input by its name.

    Raises:
        DataError: it is ragged, has no header or two columns of one name, or a quote is left open.
    """
    header: list[str] = []
    found: list[_Column] = []
    for header, columns, _ in _cells(source, delimiter):
        found = found or [_Column() for _ in header]
        for column, cells in zip(found, columns, strict=True):
            column.see(cells)
    text = {raw} if raw is not None else set()
    if raw is None and (name := next((c for c in INPUTS if c in header), None)) is not None:
        text = set() if found[header.index(name)].text else {name}
    for header, columns, rows in _cells(source, delimiter):
        yield (
            {
                name: list(cells) if name in text else column.typed(cells)
                for name, cells, column in zip(header, columns, found, strict=True)
            },
            rows,
        )


def _cells(
    source: Source, delimiter: str
) -> Iterator[tuple[list[str], Sequence[Sequence[str]], int]]:
    """The header, the columns of some rows as text, and how many rows; at least once."""
    header: list[str] | None = None
    rows: list[list[str]] = []
    size = count = 0
    reader = csv.reader(source.lines(""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if header is None:
                header = [cell.strip() for cell in row] if row else None
                if header is not None:
                    check_header(header, source.shown)
            elif row and len(row) != len(header):
                raise DataError(
                    f"{source.shown} is ragged: line {reader.line_num} has {len(row)} cells and "
                    f"the header {len(header)}; put cells that contain the separator in double "
                    "quotes."
                )
            elif row:
                rows.append(row)
                size += sum(map(len, row))
                if size > PIECE or len(rows) * len(header) > PIECE // 16:
                    yield header, list(zip(*rows, strict=True)), len(rows)
                    count, rows, size = count + 1, [], 0
    except csv.Error as error:
        raise DataError(
            f"{source.shown} cannot be read as CSV at line {reader.line_num}: {error}; is a double "
            f"quote left open? Texts of more than {csv.field_size_limit():,} characters belong in "
            "JSON Lines or Parquet."
        ) from None
    header = header or []
    check_header(header, source.shown)
    if rows or not count:
        yield header, list(zip(*rows, strict=True)) if rows else [()] * len(header), len(rows)


def check_header(header: list[str], name: str) -> None:
    """Every column has a name of its own, and there are not too many.

    Raises:
        DataError: one has none, two have the same, or there are more than `COLUMNS`.
    """
    if len(header) > COLUMNS:
        raise DataError(f"{name} has more than {COLUMNS:,} columns; keep those that are needed.")
    if "" in header or not header:
        raise DataError(
            f"{name} has a column without a name (column {[*header, ''].index('') + 1}); name "
            "every column."
        )
    if len(set(header)) < len(header):
        twice = next(c for i, c in enumerate(header) if c in header[:i])
        raise DataError(f"{name} has two columns named {twice!r}; rename one.")
