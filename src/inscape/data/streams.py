"""Tables that come row by row: iterators of rows, and the data sets of Hugging Face, streamed ones
too.

Rows are put together in pieces (`inscape.data.gathered`), so that much text lies in a file and
memory holds a few bytes a row, however long the stream is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import pandas as pd

from inscape.core.errors import DataError
from inscape.core.foreign import foreign
from inscape.data.gathered import Gathered

#: rows put together at a time
PIECE = 4096


def is_rows(what: Any) -> bool:
    """Whether something is, or may be, an iterable of rows and no table, text or mapping."""
    return isinstance(what, Iterable) and not isinstance(what, (str, bytes, Mapping))


def read_rows(rows: Iterable[Any], limit: int | None = None) -> pd.DataFrame:
    """A table from rows (column → value); a text alone is a row with the column ``text``.

    Args:
        rows: read once.
        limit: only the first so many.

    Raises:
        DataError: a row is neither, or the stream stops with an error.

    Example:
        >>> read_rows(iter([{"text": "a", "n": 1}, {"text": "b", "n": 2}]))["n"].tolist()
        [1, 2]
    """
    table, first = Gathered(), 0
    source = _checked(islice(rows, limit))
    while piece := list(islice(source, PIECE)):
        names = dict.fromkeys(name for row in piece for name in row)
        table.add({name: [row.get(name) for row in piece] for name in names}, len(piece))
        first += len(piece)
    if not first:
        raise DataError("there are no rows; give at least one example.")
    return table.frame()


def _checked(rows: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    source, number = iter(rows), 0
    while True:
        with foreign(
            DataError, f"the stream of examples stopped after {number}", "check where it comes from"
        ):
            try:
                row = next(source)
            except StopIteration:
                return
        if isinstance(row, str):
            row = {"text": row}
        if not isinstance(row, Mapping) or not all(isinstance(name, str) for name in row):
            raise DataError(
                f"row {number} of the stream is a {type(row).__name__}; give texts, or mappings "
                "from column to value."
            )
        yield row
        number += 1
