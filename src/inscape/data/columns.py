"""What a column of a table holds, and whether it can play its part.

Each check raises one `DataError` that names the first bad row, counted from 1 below the header, and
the cure. A column is *number* (integers, floats, booleans), *text*, *mixed* (both) or *other*
(dates, lists), missing values aside.
"""

from __future__ import annotations

import math
import numbers as abstract
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from inscape.core.errors import DataError, suggest
from inscape.core.scratch import let_go

#: what a column is called that is the input where none is named, the first that there is
INPUTS = ("input", "text", "sentence", "prompt")
#: a numeral as JSON writes it, with a sign, a leading point or a trailing one allowed; "007" is
# none
NUMERAL = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")

_TOO_LARGE = "column {!r} has a number too large for a float; rescale it."
_PIECE = 1000  # cells held as Python values at a time

Kind = Literal["number", "text", "mixed", "other", "empty"]


def value_kind(value: Any) -> Kind:
    """What one cell holds; ``"empty"`` if it is missing."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bool, np.bool_, abstract.Real, Decimal)):
        return "empty" if value != value else "number"
    if value is None or value is pd.NA or value is pd.NaT:
        return "empty"
    return "other"


def pieces(column: pd.Series) -> Iterator[list[Any]]:
    """The cells of a column as Python values, some at a time, so that no more are held."""
    for first in range(0, len(column), _PIECE):
        yield column.iloc[first : first + _PIECE].astype(object).tolist()
        let_go()


def as_text(column: pd.Series) -> pd.api.extensions.ExtensionArray:
    """The cells of a column as `canonical` writes them, in one piece and not a Python value for
    each.
    """
    found = [
        pa.array([canonical(value) for value in cells], pa.large_string())
        for cells in pieces(column)
    ]
    dtype = pd.StringDtype("pyarrow", na_value=np.nan)
    return pd.arrays.ArrowStringArray(pa.chunked_array(found, pa.large_string()), dtype=dtype)


class Seen(NamedTuple):
    """A cell as a message names it: its row, its value and its type."""

    row: int
    shown: str
    type: str


@dataclass
class Contents:
    """What the cells of a column are, found in one pass: how many of each kind, and the first of
    each.

    Attributes:
        name: of the column.
        rows: how many cells.
        counts: kind → how many.
        first: what → the first cell of it. The kinds; and ``"blank"`` (text of white space alone),
            ``"infinite"`` and ``"huge"`` (numbers; the second no float can hold), ``"surrogate"``
            (text with half a character), ``"words"`` (text with something in it that is no
            numeral).
        numerals: texts with something in them that are numerals.
        words: texts with something in them that are none.
        start: the kind of the first cell.
    """

    name: Any
    rows: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, Seen] = field(default_factory=dict)
    numerals: int = 0
    words: int = 0
    start: Kind = "empty"

    @property
    def kind(self) -> Kind:
        """What the column holds, missing values aside; ``"empty"`` if all are missing."""
        found = set(self.counts) - {"empty"}
        if not found:
            return "empty"
        if len(found) == 1:
            return found.pop()  # type: ignore[return-value]
        return "other" if "other" in found else "mixed"

    @property
    def stray(self) -> Seen | None:
        """The first that is no numeral in a column of text that is mostly numerals; None if it is
        no such column.
        """
        return None if self.numerals <= self.words else self.first.get("words")

    def add(self, cells: Sequence[Any]) -> None:
        """Count some more cells."""
        for row, value in enumerate(cells, self.rows):
            found = value_kind(value)
            self._note(found, row, value)
            self.counts[found] = self.counts.get(found, 0) + 1
            if found == "text":
                self._text(row, value)
            elif found == "number":
                self._number(row, value)
        if not self.rows and cells:
            self.start = value_kind(cells[0])
        self.rows += len(cells)

    def add_column(self, column: pd.Series) -> None:
        """Count some more cells, as a column."""
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
            self.add_numbers(column.to_numpy())
            return
        for cells in pieces(column):
            self.add(cells)

    def add_numbers(self, cells: np.ndarray) -> None:
        """Count some more cells of numbers or truth values, where NaN is missing."""
        missing = np.isnan(cells) if cells.dtype.kind == "f" else np.zeros(len(cells), dtype=bool)
        infinite = np.isinf(cells) if cells.dtype.kind == "f" else missing
        if not self.rows and len(cells):
            self.start = "empty" if missing[0] else "number"
        for what, where in (("empty", missing), ("number", ~missing), ("infinite", infinite)):
            count = int(where.sum())
            if count and what not in self.first:
                row = int(where.argmax())
                self._note(what, self.rows + row, cells[row])
            if count and what != "infinite":
                self.counts[what] = self.counts.get(what, 0) + count
        self.rows += len(cells)

    def _number(self, row: int, value: Any) -> None:
        try:
            if not math.isfinite(value):
                self._note("infinite", row, value)
        except OverflowError:
            self._note("huge", row, value)

    def _text(self, row: int, value: str) -> None:
        text = value.strip()
        if not text:
            self._note("blank", row, value)
        elif NUMERAL.fullmatch(text):
            self.numerals += 1
        else:
            self.words += 1
            self._note("words", row, value)
        if "surrogate" not in self.first:
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                self._note("surrogate", row, value)

    def _note(self, what: str, row: int, value: Any) -> None:
        if what not in self.first:
            plain = value.item() if isinstance(value, np.generic) else value
            self.first[what] = Seen(row, shown(plain), type(plain).__name__)


def contents(column: pd.Series) -> Contents:
    """What a column holds, in one pass."""
    found = Contents(column.name)
    found.add_column(column)
    return found


def kind(column: pd.Series) -> Kind:
    """What a column holds, missing values aside; ``"empty"`` if all are missing."""
    return contents(column).kind


def numbers(column: pd.Series) -> np.ndarray:
    """A number column as float64; missing values are NaN."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy(dtype=np.float64)
    found = np.empty(len(column))
    row = 0
    try:
        for cells in pieces(column):
            found[row : row + len(cells)] = [
                math.nan if value_kind(v) == "empty" else float(v) for v in cells
            ]
            row += len(cells)
    except OverflowError as error:
        raise DataError(_TOO_LARGE.format(column.name)) from error
    return found


def canonical(value: Any) -> str:
    """One cell as text, the same whichever format the table was read from; a missing value is
    empty.

    Example:
        >>> canonical(1.0), canonical(1), canonical(0.1), canonical(float("nan")), canonical(True)
        ('1', '1', '0.1', '', 'True')
    """
    found = value_kind(value)
    if found == "empty":
        return ""
    if found == "number" and not isinstance(value, (bool, np.bool_)):
        if isinstance(value, abstract.Integral):
            return str(int(value))
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return str(value)


def shown(value: Any) -> str:
    """One cell for an error message: a plain number or quoted text, cut at 60 characters."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 60 else text[:59] + "…"


def nth(row: int) -> str:
    """A row by its place, as people count.

    Example:
        >>> nth(0)
        'row 1 of the data'
    """
    return f"row {int(row) + 1} of the data"


def check_shape(frame: pd.DataFrame) -> None:
    """Rows there are, and names of rows and columns are unique."""
    if not all(isinstance(name, str) for name in frame.columns):
        raise DataError(
            "the columns' names must be text; set frame.columns = frame.columns.map(str)."
        )
    if frame.columns.has_duplicates:
        raise DataError(
            f"column {frame.columns[frame.columns.duplicated()][0]!r} appears twice; rename one of "
            "the two."
        )
    if len(frame) == 0:
        raise DataError("there are no rows; give at least one example.")
    if frame.index.has_duplicates:
        where = int(np.flatnonzero(frame.index.duplicated())[0])
        raise DataError(
            f"the index is not unique: {nth(where)} repeats {shown(frame.index[where])}; use "
            "frame.reset_index(drop=True)."
        )


def check_present(frame: pd.DataFrame, name: str) -> None:
    """The column exists."""
    if name not in frame.columns:
        raise DataError(f"there is no column {name!r}. {suggest(name, frame.columns)}")


def check_input(column: Contents) -> None:
    """The input is text in every row, none of it empty."""
    found = _first(column, "empty", "blank", "number", "other", "surrogate")
    if found is None:
        return
    if found in (column.first.get("empty"), column.first.get("blank")):
        raise DataError(
            f"the input column {column.name!r} is empty at {nth(found.row)}; remove the row or "
            "fill it in."
        )
    if found == column.first.get("surrogate"):
        raise DataError(
            f"the input column {column.name!r} has half a character (a lone surrogate) at "
            f"{nth(found.row)}; repair the text."
        )
    raise DataError(
        f"the input column {column.name!r} must be text, and {nth(found.row)} is {found.type} "
        f"({found.shown}); choose another column with input=... or convert it."
    )


def check_label(column: Contents) -> None:
    """A label is all finite numbers or all text, none missing."""
    cure = "remove the rows, or leave the column out of labels"
    empty, other = _first(column, "empty", "blank"), _first(column, "other")
    if empty is not None and (other is None or empty < other):
        raise DataError(
            f"label {column.name!r} is missing at {nth(empty.row)} "
            f"({column.counts.get('empty', 0)} in all); {cure}."
        )
    if other is not None:
        raise DataError(
            f"label {column.name!r} must be numbers or text, and {nth(other.row)} is "
            f"{other.shown}; {cure}."
        )
    stray = column.stray if column.start == "text" else None
    texts, count = column.counts.get("text", 0), column.counts.get("number", 0)
    if texts and count:
        stray = column.first["text" if texts <= count else "number"]
    if stray is not None:
        raise DataError(
            f"label {column.name!r} mixes numbers and text: {nth(stray.row)} is {stray.shown}; "
            f"{cure}."
        )
    if "huge" in column.first:
        raise DataError(_TOO_LARGE.format(column.name))
    if (infinite := _first(column, "infinite")) is not None:
        raise DataError(f"label {column.name!r} is infinite at {nth(infinite.row)}; {cure}.")


def check_group(column: Contents) -> None:
    """Every example has a group, a number or text."""
    empty, other = _first(column, "empty", "blank"), _first(column, "other")
    if empty is not None and (other is None or empty < other):
        raise DataError(
            f"group {column.name!r} is missing at {nth(empty.row)}; fill it in, or remove the row."
        )
    if other is not None:
        raise DataError(
            f"group {column.name!r} must be numbers or text, and {nth(other.row)} is "
            f"{other.shown}; convert it."
        )


def _first(column: Contents, *what: str) -> Seen | None:
    """The first cell of any of some things."""
    return min((column.first[w] for w in what if w in column.first), default=None)


def check_span(name: str, start: pd.Series, end: pd.Series, text: pd.Series) -> None:
    """A span is whole numbers with 0 ≤ start < end ≤ length of the input, in every row."""
    for column in (start, end):
        wrong = _first(contents(column), "text", "empty", "other")
        row, value = (0, "") if wrong is None else (wrong.row, wrong.shown)
        if wrong is None:
            values = numbers(column)
            bad = ~(np.isfinite(values) & (values == np.round(values)))
            row = int(bad.argmax())
            value = shown(column.iloc[row])
            if not bad[row]:
                continue
        raise DataError(
            f"span {name!r} needs whole numbers in {column.name!r}, and {nth(row)} is {value}; "
            "give character positions, counted from 0."
        )
    first, last, long = numbers(start), numbers(end), lengths(text)
    bad = ~((first >= 0) & (first < last) & (last <= long))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"span {name!r} is out of range at {nth(row)}: {int(first[row])} to {int(last[row])} "
            f"in a text of {long[row]} characters; a span is half-open and not empty, 0 ≤ start < "
            "end ≤ length."
        )


def lengths(text: pd.Series) -> np.ndarray:
    """Characters of each cell of a column of text, (n,) int64."""
    found = (len(value) for cells in pieces(text) for value in cells)
    return np.fromiter(found, dtype=np.int64, count=len(text))
