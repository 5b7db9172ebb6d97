"""What a column of a table holds, and whether it can play its part.

Each check raises one `DataError` that names the first bad row, counted from 1 below the header, and the cure. A column is
*number* (integers, floats, booleans), *text*, *mixed* (both) or *other* (dates, lists), missing values aside.
"""

from __future__ import annotations

import math
import numbers as abstract
import re
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd

from inscape.core.errors import DataError, suggest

#: a numeral as JSON writes it, with a sign, a leading point or a trailing one allowed; "007" is none
NUMERAL = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")

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


def kinds(column: pd.Series) -> list[Kind]:
    """What each cell of a column holds."""
    return [value_kind(value) for value in column.astype(object)]


def kind(column: pd.Series) -> Kind:
    """What a column holds, missing values aside; ``"empty"`` if all are missing."""
    if column.dtype != object and pd.api.types.is_bool_dtype(column.dtype):
        return "number"
    found = set(kinds(column)) - {"empty"}
    if not found:
        return "empty"
    return found.pop() if len(found) == 1 else ("other" if "other" in found else "mixed")


def numerals_among_text(column: pd.Series) -> int | None:
    """The first row that is no numeral in a text column that is mostly numerals; None if it is not such a column."""
    texts = [value.strip() if isinstance(value, str) else "" for value in column.astype(object)]
    present = [(row, NUMERAL.fullmatch(text) is not None) for row, text in enumerate(texts) if text]
    if 2 * sum(yes for _, yes in present) <= len(present):
        return None
    return next((row for row, yes in present if not yes), None)


def numbers(column: pd.Series) -> np.ndarray:
    """A number column as float64; missing values are NaN."""
    try:
        return np.array(
            [math.nan if value_kind(v) == "empty" else float(v) for v in column.astype(object)],
            np.float64,
        )
    except OverflowError as error:
        raise DataError(
            f"column {column.name!r} has a number too large for a float; rescale it."
        ) from error


def canonical(value: Any) -> str:
    """One cell as text, the same whichever format the table was read from; a missing value is empty.

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
            f"column {frame.columns[frame.columns.duplicated()][0]!r} appears twice; rename one of the two."
        )
    if len(frame) == 0:
        raise DataError("there are no rows; give at least one example.")
    if frame.index.has_duplicates:
        where = int(np.flatnonzero(frame.index.duplicated())[0])
        raise DataError(
            f"the index is not unique: {nth(where)} repeats {shown(frame.index[where])}; use frame.reset_index(drop=True)."
        )


def check_present(frame: pd.DataFrame, name: str) -> None:
    """The column exists."""
    if name not in frame.columns:
        raise DataError(f"there is no column {name!r}. {suggest(name, frame.columns)}")


def check_input(column: pd.Series) -> None:
    """The input is text in every row, none of it empty."""
    for row, value in enumerate(column.astype(object)):
        found = value_kind(value)
        if found == "empty" or (found == "text" and not value.strip()):
            raise DataError(
                f"the input column {column.name!r} is empty at {nth(row)}; remove the row or fill it in."
            )
        if found != "text":
            raise DataError(
                f"the input column {column.name!r} must be text, and {nth(row)} is {type(value).__name__} ({shown(value)}); "
                "choose another column with input=... or convert it."
            )
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DataError(
                f"the input column {column.name!r} has half a character (a lone surrogate) at {nth(row)}; repair the text."
            ) from None


def check_label(column: pd.Series) -> None:
    """A label is all finite numbers or all text, none missing."""
    found, values = kinds(column), list(column.astype(object))
    cure = "remove the rows, or leave the column out of labels"
    for row, one in enumerate(found):
        if one == "empty" or (one == "text" and not values[row].strip()):
            raise DataError(
                f"label {column.name!r} is missing at {nth(row)} ({found.count('empty')} in all); {cure}."
            )
        if one == "other":
            raise DataError(
                f"label {column.name!r} must be numbers or text, and {nth(row)} is {shown(values[row])}; {cure}."
            )
    row = numerals_among_text(column) if found[0] == "text" else None
    if len(set(found)) > 1:
        row = found.index("text" if found.count("text") <= found.count("number") else "number")
    if row is not None:
        raise DataError(
            f"label {column.name!r} mixes numbers and text: {nth(row)} is {shown(values[row])}; {cure}."
        )
    if found[0] == "number":
        bad = np.flatnonzero(~np.isfinite(numbers(column)))
        if bad.size:
            raise DataError(f"label {column.name!r} is infinite at {nth(int(bad[0]))}; {cure}.")


def check_group(column: pd.Series) -> None:
    """Every example has a group, a number or text."""
    for row, (one, value) in enumerate(zip(kinds(column), column.astype(object), strict=True)):
        if one == "empty" or (one == "text" and not value.strip()):
            raise DataError(
                f"group {column.name!r} is missing at {nth(row)}; fill it in, or remove the row."
            )
        if one == "other":
            raise DataError(
                f"group {column.name!r} must be numbers or text, and {nth(row)} is {shown(value)}; convert it."
            )


def check_span(name: str, start: pd.Series, end: pd.Series, text: pd.Series) -> None:
    """A span is whole numbers with 0 ≤ start < end ≤ length of the input, in every row."""
    for column in (start, end):
        whole = [value_kind(v) == "number" for v in column.astype(object)]
        if all(whole):
            whole = (
                np.isfinite(numbers(column)) & (numbers(column) == np.round(numbers(column)))
            ).tolist()
        bad = [row for row, yes in enumerate(whole) if not yes]
        if bad:
            raise DataError(
                f"span {name!r} needs whole numbers in {column.name!r}, and {nth(bad[0])} is {shown(column.iloc[bad[0]])}; "
                "give character positions, counted from 0."
            )
    for row, (a, b, value) in enumerate(
        zip(numbers(start), numbers(end), text.astype(object), strict=True)
    ):
        if not 0 <= a < b <= len(value):
            raise DataError(
                f"span {name!r} is out of range at {nth(row)}: {int(a)} to {int(b)} in a text of {len(value)} characters; "
                "a span is half-open and not empty, 0 ≤ start < end ≤ length."
            )
