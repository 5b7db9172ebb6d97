"""A data frame as a table that can be read.

Numbers are right-aligned and share a column's decimal places; an estimate's two ends become one
interval; a column that says the same in every row is said once above the table; warnings are
numbered and stand below it; columns that say nothing are left out. Rows past `LIMIT` stay in the
Parquet file, which the report links.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from inscape.report import numbers

LIMIT = 200
#: letters up to which a text is never wrapped, and from which on its column is wide
_SHORT, _LONG = 28, 120
#: columns of `inscape.core.evidence.table` whose names a reader would not guess
_LABELS = {"null": "null from", "null_mean": "null", "null_draws": "draws of the null", "p": "p"}
#: columns of a table of costs, with their units
_COSTS = {"trained": "trained parameters", "flops": "FLOPs", "memory": "memory (bytes)"}
_WARNINGS = "warnings"
#: most warnings that are numbered
_NOTES = 12
#: columns of evidence that serve computing: the side on which p was taken
_INSIDE = {"direction"}
_INTERVALS = (("low", "high", "interval"), ("null_low", "null_high", "null interval"))


@dataclass(frozen=True)
class Column:
    """One column: its label, whether it holds numbers (right-aligned), its cells as text."""

    label: str
    numeric: bool
    cells: list[str]

    @property
    def kind(self) -> str:
        """How it is set: ``"num"`` right-aligned and never wrapped, ``"text"`` wrapped, or
        nothing for short words."""
        if self.numeric:
            return "num"
        letters = max(map(len, self.cells), default=0)
        return "text long" if letters > _LONG else "text" if letters > _SHORT else ""


@dataclass(frozen=True)
class Table:
    """What is shown of a data frame.

    Attributes:
        columns: the columns shown.
        same: (label, value) of what is the same in every row.
        notes: the warnings of its rows, which name them by their place here, from 1.
        total: rows of the data frame.
        shown: rows in `columns`.
    """

    columns: list[Column]
    same: list[tuple[str, str]]
    total: int
    shown: int
    notes: tuple[str, ...] = ()

    @property
    def constant(self) -> str:
        """What is the same in every row, as sentences; warnings, which are sentences, last."""
        facts = "; ".join(f"{label} = {value}" for label, value in self.same if label != _WARNINGS)
        parts = [f"In every row: {facts}."] if facts else []
        parts += [f"For every row: {value}." for label, value in self.same if label == _WARNINGS]
        return " ".join(parts)

    @property
    def rows(self) -> Iterable[tuple[tuple[Column, str], ...]]:
        """The rows, each cell beside its column."""
        return (tuple((c, c.cells[i]) for c in self.columns) for i in range(self.shown))


def view(frame: pd.DataFrame, limit: int = LIMIT) -> Table:
    """The readable form of a data frame.

    Args:
        frame: the table.
        limit: most rows shown.

    Returns:
        Its columns as text.
    """
    head = frame.head(limit)
    pairs = {
        low: (high, label) for low, high, label in _INTERVALS if {low, high} <= set(frame.columns)
    }
    ends = {high for high, _ in pairs.values()}
    costs = _COSTS if set(_COSTS) <= set(frame.columns) else {}
    judged = set(frame.columns) if "null_draws" in frame.columns else set()
    columns: list[Column] = []
    same: list[tuple[str, str]] = []
    for name in frame.columns:
        if name in ends or name in _INSIDE & judged or _empty(name, frame[name]):
            continue
        if name in pairs:
            high, label = pairs[name]
            column, constant = (
                _interval(label, head[name], head[high]),
                _constant(frame[name], frame[high]),
            )
        else:
            column, constant = (
                _column(str(name), head[name], costs if name in costs else _LABELS),
                name != "value" and _constant(frame[name]),
            )
        if constant and len(frame) > 2:
            same.append(
                (column.label, column.cells[0].removesuffix("."))
            )  # it stands inside a sentence
        else:
            columns.append(column)
    columns, notes = _numbered(columns)
    return Table(columns, same, len(frame), len(head), notes)


def _numbered(columns: list[Column]) -> tuple[list[Column], tuple[str, ...]]:
    """Warnings as numbers of notes; where nearly every row has another one, they stay."""
    found = next((c for c in columns if c.label == _WARNINGS and not c.numeric), None)
    said = [text for text in found.cells if text not in ("", numbers.MISSING)] if found else []
    notes = tuple(dict.fromkeys(said))
    if found is None or len(notes) > _NOTES:
        return columns, ()
    places = {text: str(i + 1) for i, text in enumerate(notes)}
    cells = [places.get(text, "") for text in found.cells]
    return [Column(c.label, False, cells) if c is found else c for c in columns], notes


def _column(name: str, values: pd.Series, labels: Mapping[str, str]) -> Column:
    label = labels.get(name, name.replace("_", " "))
    if name == "null" and types.is_numeric_dtype(values):
        # evidence names a null's kind under `null`; other tables may have its value there
        label = "null"
    if types.is_bool_dtype(values):
        return Column(label, False, ["yes" if v else "no" for v in values])
    if types.is_numeric_dtype(values):
        plain = [None if pd.isna(v) else v.item() if hasattr(v, "item") else v for v in values]
        if name in ("n", "d"):  # evidence keeps an unknown count as -1
            plain = [None if v is None or v < 0 else v for v in plain]
        if name == "null_draws":  # and the draws of no null as 0
            plain = [v or None for v in plain]
        return Column(
            label,
            True,
            [numbers.p_value(v) for v in plain] if name == "p" else numbers.column(plain),
        )
    return Column(label, False, [_text(v) for v in values])


def _interval(label: str, low: pd.Series, high: pd.Series) -> Column:
    ends = [
        (None if pd.isna(a) else float(a), None if pd.isna(b) else float(b))
        for a, b in zip(low, high, strict=True)
    ]
    places = numbers.places([v for pair in ends for v in pair if v is not None])
    return Column(label, True, [numbers.interval(a, b, places) for a, b in ends])


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, np.ndarray)):
        return ", ".join(map(str, value))
    return numbers.MISSING if pd.isna(value) else str(value)


def _empty(name: str, values: pd.Series) -> bool:
    if values.isna().all():
        return True
    if types.is_numeric_dtype(values):
        # evidence keeps an unknown count as -1 and the draws of no null as 0
        return (name in ("n", "d") and bool((values < 0).all())) or (
            name == "null_draws" and bool((values == 0).all())
        )
    return all(_text(v) in ("", numbers.MISSING) for v in values)


def _constant(*columns: pd.Series) -> bool:
    return all(_text(v) == _text(values.iloc[0]) for values in columns for v in values)
