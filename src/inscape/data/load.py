"""Load examples from wherever they are: a built-in set, a file, a Hugging Face data set, or a data
frame.

    load("cities")                                   a built-in set
    load("reviews.csv", labels=["stars"])            .csv .tsv .jsonl .json .parquet
    load("s3://bucket/reviews.csv")                  the same, from an object store
    load("hf:imdb:test"), load("hf:glue:sst2:train") through the optional `datasets` library
    load(frame, input="sentence")                    a pandas DataFrame
    load("birds/")                                   a folder of images, or of WAV files; sub-folders are the labels

The built-in sets are the files in ``data/sets/``; there is no list to edit. Where a part is not
named: the input is the column ``input``, ``text``, ``sentence`` or ``prompt``, or the only column
of text; the labels are the other numeric columns; the group is a column that is called ``group``,
and never another.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from inscape.core.errors import DataError, suggest
from inscape.core.urls import is_url
from inscape.data import hugging_face
from inscape.data.card import DatasetCard, read_card
from inscape.data.hugging_face import is_hugging_face

if TYPE_CHECKING:
    import pandas as pd

    from inscape.data.columns import Contents
    from inscape.data.examples import Examples

SETS = Path(__file__).parent / "sets"


def available() -> dict[str, DatasetCard]:
    """The built-in sets by name, from their cards alone: nothing is imported and no data are
    read.
    """
    cards = [read_card(path) for path in sorted(SETS.glob("*.py")) if not path.name.startswith("_")]
    return {card.name: card for card in cards}


def load(
    what: str | Path | pd.DataFrame | Iterable[Any],
    *,
    input: str | None = None,
    labels: Sequence[str] | None = None,
    group: str | None = None,
    spans: Mapping[str, tuple[str, str]] | None = None,
    limit: int | None = None,
) -> Examples:
    """Examples from a name, a path, a data frame or rows that come one by one.

    Args:
        what: a built-in set's name, a path, ``hf:NAME[:SPLIT]`` or ``hf:NAME:CONFIG:SPLIT``
            (``hf:FOLDER`` for one that ``save_to_disk`` wrote), a data frame, or an iterable of
            rows (column → value), such as a data set of Hugging Face, streamed or not.
        input: the column of text that the network reads.
        labels: the columns to ask about; an empty list for none.
        group: the grouping column for cross-validation.
        spans: per span, its start and end columns.
        limit: only the first so many examples.

    Returns:
        The checked examples.

    Raises:
        DataError: it does not exist, cannot be read or is not sound; one sentence says which and
            names the cure.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit must be 1 or more, got {limit}; leave it out for all examples.")
    if isinstance(what, (str, Path)):
        name = str(what)
        if name in available() or not (name.startswith("hf:") or is_url(name) or _exists(name)):
            return _override(_built_in(name, limit), input, labels, group, spans)
        frame, card = (
            hugging_face.read(name, limit) if is_hugging_face(name) else _file(name, input)
        )
    elif not hasattr(what, "iloc"):
        from inscape.data.streams import is_rows, read_rows

        if not is_rows(what):
            raise TypeError(
                f"load: expected a name, a path, a data frame or rows, got {type(what).__name__}"
            )
        frame = read_rows(what, limit)
        card = DatasetCard("rows", "rows given by the caller one by one")
    else:
        frame, card = what, DatasetCard("data frame", "a table given by the caller")
    if (
        isinstance(what, (str, Path))
        and Path(what).is_dir()
        and "file" in frame
        and not is_hugging_face(str(what))
    ):
        input, labels = (
            input or "file",
            ["label"] if labels is None and "label" in frame else labels,
        )
    frame = frame if limit is None else frame.iloc[:limit]
    return _examples(frame, card, input, labels, group, spans)


def _exists(name: str) -> bool:
    try:
        os.stat(name)
        return True
    except PermissionError as error:
        raise DataError(
            f"{_cut(name)} cannot be read: there is no permission to look into its folder. Get the "
            "right to read it, or copy it elsewhere."
        ) from error
    except (OSError, ValueError):  # longer than the file system's names can be
        return False


def _cut(name: str) -> str:
    """A name as a message shows it."""
    text = repr(name)
    return text if len(text) <= 200 else text[:199] + "…"


def _built_in(name: str, limit: int | None) -> Examples:
    if name not in available():
        if Path(name).suffix or "/" in name or "\\" in name:
            raise DataError(
                f"there is no file {_cut(name)}; check the path (a built-in set is one of "
                f"{', '.join(available())})."
            )
        raise DataError(
            f"there is no data set {_cut(name)}. {suggest(name, available())} Or give a path, or "
            "hf:NAME."
        )
    return importlib.import_module(f"inscape.data.sets.{name.replace('-', '_')}").load(limit=limit)


def _override(
    examples: Examples,
    input: str | None,
    labels: Sequence[str] | None,
    group: str | None,
    spans: Mapping[str, tuple[str, str]] | None,
) -> Examples:
    given: dict[str, Any] = {"input": input, "group": group, "spans": spans}
    given["labels"] = None if labels is None else tuple(labels)
    changed = {key: value for key, value in given.items() if value is not None}
    return replace(examples, **changed) if changed else examples


def _file(name: str, input: str | None) -> tuple[pd.DataFrame, DatasetCard]:
    if is_url(name):
        return _table(name, input)
    path = Path(name)
    if path.is_dir():
        from inscape.data.media import read_folder

        if (found := read_folder(path)) is not None:
            return found, DatasetCard(
                path.name, f"the images or sounds in the folder {path.name}", source=path.name
            )
        raise DataError(
            f"{path} is a folder without images or sounds; name a file in it (.csv, .tsv, .jsonl, "
            f".parquet), such as {path}/data.csv."
        )
    if not path.is_file():
        raise DataError(
            f"{path} is not a regular file; name a .csv, .tsv, .jsonl or .parquet file."
        )
    return _table(path, input)


def _table(path: Path | str, input: str | None) -> tuple[pd.DataFrame, DatasetCard]:
    from inscape.data.files import read_table

    return read_table(path, raw=input), _card(path)


def _card(path: Path | str) -> DatasetCard:
    shown = PurePosixPath(path)
    return DatasetCard(shown.stem, f"the table in {shown.name}", source=shown.name)


class _Found(dict[str, "Contents"]):
    """What the columns of a table hold, looked at when it is asked for."""

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__()
        self._frame = frame

    def __missing__(self, name: str) -> Contents:
        from inscape.data.columns import contents

        self[name] = contents(self._frame[name])
        return self[name]


def _examples(
    frame: pd.DataFrame,
    card: DatasetCard,
    input: str | None,
    labels: Sequence[str] | None,
    group: str | None,
    spans: Mapping[str, tuple[str, str]] | None,
) -> Examples:
    from inscape.data import columns
    from inscape.data.examples import Examples

    columns.check_shape(frame)
    spans = dict(spans or {})
    taken = [c for pair in spans.values() for c in pair]
    parts = _parts(list(frame.columns), _Found(frame), input, labels, group, taken)
    return Examples(frame, *parts, spans, card)


def _parts(
    names: Sequence[str],
    found: Mapping[str, Contents],
    input: str | None,
    labels: Sequence[str] | None,
    group: str | None,
    taken: Sequence[str],
) -> tuple[str, tuple[str, ...], str | None]:
    """The input, the labels and the group of a table, those that are not named by the rules
    above.
    """
    name = input if input is not None else _input(names, found)
    by = group if group is not None else ("group" if "group" in names and name != "group" else None)
    if labels is None:
        other = {name, by, *taken}
        labels = [c for c in names if c not in other and _is_label(found[c])]
    return name, tuple(labels), by


def _input(names: Sequence[str], found: Mapping[str, Contents]) -> str:
    from inscape.data.columns import INPUTS

    for name in INPUTS:
        if name in names:
            return name
    text = [name for name in names if found[name].kind == "text"]
    if len(text) == 1:
        return text[0]
    raise DataError(
        f"which column is the input? {'Several are' if text else 'None is'} text; name it with "
        f"input=... Columns: {', '.join(map(repr, names))}."
    )


def _is_label(column: Contents) -> bool:
    """Whether a column is taken as a label unasked; nearly numeric ones are, so that the bad cell
    is named.
    """
    return column.kind in ("number", "mixed") or (
        column.kind == "text" and column.stray is not None
    )


@dataclass(frozen=True)
class Look:
    """What is in a data set, without the data.

    Attributes:
        card: what it is and where it comes from.
        examples: how many.
        input, labels, group: the columns that `load` would take for them.
        first: the first rows.
    """

    card: DatasetCard
    examples: int
    input: str
    labels: tuple[str, ...]
    group: str | None
    first: pd.DataFrame


def look(what: str | Path, rows: int = 5) -> Look:
    """Check a data set as `load` does, and say what is in it; a table's file is read in pieces and
    never held.

    Args:
        what: as `load` takes it, but for a data frame.
        rows: how many of the first rows to give.

    Raises:
        DataError: as `load`.
    """
    name = str(what)
    is_file = is_url(name) or (_exists(name) and Path(name).is_file())
    if name in available() or is_hugging_face(name) or not is_file:
        examples = load(what)
        parts = (examples.input, examples.labels, examples.group)
        return Look(examples.card, len(examples), *parts, examples.frame.head(rows))
    return _look(what if is_url(name) else Path(what), rows)


def _look(path: str | Path, rows: int) -> Look:
    """A table's file, in pieces."""
    import pandas as pd

    from inscape.data import columns
    from inscape.data.files import table_pieces

    found: dict[str, Contents] = {}
    heads: list[pd.DataFrame] = []
    count = 0
    for piece in table_pieces(path):
        if count < rows:
            heads.append(piece.head(rows - count))
        for name in (*found, *(c for c in piece.columns if c not in found)):
            one = found.setdefault(name, columns.Contents(name))
            one.add([None] * (count - one.rows))
            one.add_column(piece[name] if name in piece else pd.Series([None] * len(piece)))
        count += len(piece)
    if not count:
        raise DataError("there are no rows; give at least one example.")
    input, labels, group = _parts(list(found), found, None, None, None, ())
    columns.check_input(found[input])
    for label in labels:
        columns.check_label(found[label])
    if group is not None:
        columns.check_group(found[group])
    first = pd.concat(heads, ignore_index=True) if heads else pd.DataFrame(columns=list(found))
    return Look(_card(path), count, input, labels, group, first)
