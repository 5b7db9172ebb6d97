"""Examples: the table that is fed in, checked once so that nothing after it has to.

A table has one input column of text, label columns, a group column (for cross-validation: entity,
template, document, speaker) and named character spans of the input. Construction checks everything
in one pass over the table, O(rows × columns); an `Examples` that exists is sound, and is never
changed: `take` and `with_prompt` give new ones.

The fingerprint is the SHA-256 of the columns' values, written so that the same table read from CSV,
JSON Lines or Parquet gives the same fingerprint: 1 and 1.0 are one number, an empty cell and a
missing one are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from inscape.core.errors import DataError
from inscape.core.item_rows import row_numbers
from inscape.data import columns
from inscape.data.card import DatasetCard


@dataclass(frozen=True, eq=False)
class Examples:
    """A checked table of examples.

    Attributes:
        frame: the table; one row an example; its index identifies the examples. Copied when
            constructed.
        input: name of the column that the network reads, text.
        labels: names of the columns to ask about; numbers or text, none missing.
        group: name of the grouping column for cross-validation, or None.
        spans: per span, the names of its start and end columns: characters of the input, half-open.
        card: what the data are and where they come from.

    Raises:
        DataError: the table is not sound; one sentence names the first bad row and the cure.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"city": ["Tokyo", "Lima"], "latitude": [35.7, -12.0], "country": ["Japan", "Peru"]})
        >>> examples = Examples(table, "city", ("latitude",), group="country")
        >>> len(examples), examples.target().ravel().tolist()
        (2, [35.7, -12.0])
    """

    frame: pd.DataFrame
    input: str
    labels: tuple[str, ...] = ()
    group: str | None = None
    spans: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    card: DatasetCard = field(
        default_factory=lambda: DatasetCard("unnamed", "a table given by the caller")
    )

    def __post_init__(self) -> None:
        frame = self.frame.copy()
        spans = {name: (pair[0], pair[1]) for name, pair in dict(self.spans).items()}
        object.__setattr__(self, "frame", frame)
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "spans", spans)
        columns.check_shape(frame)
        named = [self.input, *self.labels, *([self.group] if self.group is not None else [])]
        for name in [*named, *(c for pair in spans.values() for c in pair)]:
            columns.check_present(frame, name)
        if len(set(self.labels)) < len(self.labels):
            raise DataError(
                f"labels names a column twice: {', '.join(self.labels)}; name each once."
            )
        if self.input in (*self.labels, self.group):
            raise DataError(
                f"column {self.input!r} is the input and cannot also be a label or the group."
            )
        columns.check_input(columns.contents(frame[self.input]))
        for name in self.labels:
            columns.check_label(columns.contents(frame[name]))
        if self.group is not None:
            columns.check_group(columns.contents(frame[self.group]))
        for name, (start, end) in spans.items():
            columns.check_span(name, frame[start], frame[end], frame[self.input])

    def __len__(self) -> int:
        return len(self.frame)

    def __repr__(self) -> str:
        group = f", group={self.group!r}" if self.group else ""
        spans = f", spans={sorted(self.spans)}" if self.spans else ""
        return (
            f"Examples({self.card.name!r}, n={len(self)}, input={self.input!r}, "
            f"labels={self.labels}{group}{spans})"
        )

    def texts(self) -> list[str]:
        """The inputs, in order."""
        return [str(text) for text in self.frame[self.input]]

    def text_pieces(self) -> Iterator[list[str]]:
        """The inputs, in order, some at a time; no more are held."""
        return columns.pieces(self.frame[self.input])

    def ids(self) -> list[str]:
        """The index of each example, as text."""
        return [str(i) for i in self.frame.index]

    def target(self, *labels: str) -> np.ndarray:
        """Numeric columns as an array.

        Args:
            labels: columns; all of the labels if none is named.

        Returns:
            (n, t) float64.

        Raises:
            DataError: there is no such column, or it is not of finite numbers.
        """
        names = labels or self.labels
        if not names:
            raise DataError(
                "these examples have no labels; give the table a column of numbers, or name "
                "columns of it with labels=[...]."
            )
        values = []
        for name in names:
            columns.check_present(self.frame, name)
            found = columns.contents(self.frame[name])
            columns.check_label(found)
            if found.kind != "number":
                raise DataError(
                    f"column {name!r} is text, and a number is needed; use classes({name!r}) or "
                    "another label."
                )
            values.append(columns.numbers(self.frame[name]))
        return np.stack(values, axis=1)

    def classes(self, label: str | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
        """A column as class codes.

        Args:
            label: the column; the only label if None.

        Returns:
            Codes (n,) int64 and the classes' names; numbers sort as numbers.

        Raises:
            DataError: there is no such column, it has missing values, or several labels and none
                was named.
        """
        if label is None and len(self.labels) != 1:
            raise DataError(
                f"which label? These examples have {len(self.labels)}: "
                f"{', '.join(self.labels) or 'none'}."
            )
        name = label if label is not None else self.labels[0]
        columns.check_present(self.frame, name)
        found = columns.contents(self.frame[name])
        columns.check_label(found)
        texts = [columns.canonical(value) for value in self.frame[name]]
        if found.kind == "number":
            names = sorted(set(texts), key=float)
        else:
            names = sorted(set(texts))
        code = {text: i for i, text in enumerate(names)}
        return np.array([code[text] for text in texts], dtype=np.int64), tuple(names)

    def groups(self) -> np.ndarray:
        """The group of each example, (n,) of text.

        Raises:
            DataError: the examples have no group.
        """
        if self.group is None:
            raise DataError(
                "these examples have no group, so train and test cannot be kept apart; name the "
                "grouping column with group=... (entity, template, document, speaker)."
            )
        return np.array([columns.canonical(value) for value in self.frame[self.group]], dtype=str)

    def grouped(self) -> Examples:
        """These examples where they have a group; else with each row as its own group."""
        if self.group is not None:
            return self
        own = [f"row {i}" for i in range(len(self))]
        return replace(self, frame=self.frame.assign(_row=own), group="_row")

    def span(self, row: int) -> dict[str, tuple[int, int]]:
        """The spans of one example by position: name to (start, end) characters, half-open."""
        return {
            name: (int(self.frame[start].iloc[row]), int(self.frame[end].iloc[row]))
            for name, (start, end) in self.spans.items()
        }

    def span_arrays(self, before: str | None = None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The spans of all examples: name to the starts (n,) and the ends (n,), int64 characters,
        half-open.

        Args:
            before: what a template puts before each input, which moves them; the input is then a
                span too, as `with_prompt` says. None for the inputs as they are.
        """
        found = {
            name: tuple(
                columns.numbers(self.frame[c]).astype(np.int64) + len(before or "") for c in pair
            )
            for name, pair in self.spans.items()
        }
        if before is not None and "input" not in found:
            long = columns.lengths(self.frame[self.input])
            found["input"] = (np.full(len(self), len(before)), long + len(before))
        return {name: (start, end) for name, (start, end) in found.items()}

    def take(self, which: Any) -> Examples:
        """Some of the examples, by position or by a boolean mask; each at most once.

        Args:
            which: whole numbers, or True and False for each: a list, an array, a column.

        Raises:
            ValueError: neither positions nor a mask, a mask of another length or of rows in another
                order, a position that does not exist, or one taken twice.
        """
        chosen = row_numbers(which, len(self), "take")
        masked = isinstance(which, pd.Series) and pd.api.types.is_bool_dtype(which)
        if masked and not which.index.equals(self.frame.index):
            raise ValueError(
                "take: the mask's index is not that of the examples; give "
                "mask.loc[examples.frame.index], or mask.to_numpy() if it is in their order"
            )
        if chosen.size and (chosen.min() < -len(self) or chosen.max() >= len(self)):
            raise ValueError(
                f"take: positions must lie in 0 … {len(self) - 1}, got {chosen.min()} … "
                f"{chosen.max()}"
            )
        chosen = np.where(chosen < 0, chosen + len(self), chosen)
        if len(np.unique(chosen)) < len(chosen):
            raise ValueError("take: a position is named twice; resample rows of a matrix instead")
        return replace(self, frame=self.frame.iloc[chosen])

    def some(self, most: int, *, rng: np.random.Generator) -> Examples:
        """At most so many rows, drawn at random, in their order.

        Args:
            most: rows; all where it is 0 or there are no more.
            rng: draws them.

        Raises:
            ValueError: fewer than 0.
        """
        if most < 0:
            raise ValueError(f"some: most must be 0 (all rows) or more, got {most}")
        if not most or most >= len(self):
            return self
        return self.take(np.sort(rng.permutation(len(self))[:most]))

    def with_prompt(self, template: str) -> Examples:
        """The same examples with each input set into a template; spans move with it.

        The original text becomes the span ``"input"`` (where no span has that name), so that
        ``span:input`` still finds the end of a name inside a sentence.

        Args:
            template: text with one ``{}``, such as ``"Where is {} in the world?"``; other braces
                mean themselves.

        Raises:
            DataError: the template does not have exactly one ``{}``, or columns named
                input_start/input_end exist.
        """
        before, after = split(template)
        frame, spans = self.frame.copy(), dict(self.spans)
        for name in {c for pair in spans.values() for c in pair}:
            frame[name] = columns.numbers(frame[name]).astype(np.int64) + len(before)
        if "input" not in spans:
            for name in ("input_start", "input_end"):
                if name in frame:
                    raise DataError(
                        f"column {name!r} is in the way of the span of the input; rename it first."
                    )
            frame["input_start"], frame["input_end"] = self.span_arrays(before)["input"]
            spans["input"] = ("input_start", "input_end")
        frame[self.input] = [f"{before}{text}{after}" for text in self.frame[self.input]]
        return replace(self, frame=frame, spans=spans)

    def with_texts(self, texts: Sequence[str]) -> Examples:
        """The same examples with other inputs, whose spans are not known.

        Args:
            texts: one for each row.

        Raises:
            ValueError: not one for each row.
        """
        if isinstance(texts, str) or len(texts) != len(self):
            raise ValueError(
                f"with_texts: give a list of {len(self)} texts, one for each row, got {len(texts)}"
            )
        return replace(self, frame=self.frame.assign(**{self.input: list(texts)}), spans={})

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the columns' names and values, hexadecimal; the order of columns and the index
        do not count.
        """
        digest = hashlib.sha256()

        def feed(value: Any) -> None:
            data = columns.canonical(value).encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)

        for name in sorted(self.frame.columns):
            feed(name)
            for cells in columns.pieces(self.frame[name]):
                for value in cells:
                    feed(value)
        return digest.hexdigest()


def split(template: str) -> tuple[str, str]:
    """What a template has before and after its one ``{}``.

    Raises:
        DataError: it does not have exactly one.
    """
    if template.count("{}") != 1:
        raise DataError(
            f"a prompt template needs one {{}} where the input goes, and {template!r} has "
            f"{template.count('{}')}."
        )
    before, after = template.split("{}")
    return before, after
