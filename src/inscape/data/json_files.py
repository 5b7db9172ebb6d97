"""Records of JSON Lines, and of JSON that is one array, one at a time.

An array is read some megabytes at a time: the decoder is given what there is, and more only where a
record is not whole. A record, or a line, is bounded, so that a file that never ends one is refused
and not held.

Cost: one pass; memory of the longest record.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any

from inscape.core.errors import DataError
from inscape.data import source as sources
from inscape.data.source import Source

_BLOCK = 1 << 20  # characters read at a time
_CUT = 16  # characters from the end within which a value that is cut off fails, unless it is text
_SPACE = re.compile(r"[ \t\n\r]*")


def records(source: Source, array: bool) -> Iterator[tuple[dict[str, Any], int]]:
    """The objects of a file, each with its length in characters.

    Args:
        source: the file.
        array: whether it is one array, and not an object a line.

    Raises:
        DataError: it is not JSON, or holds something else than objects; the message names the line
            or the item.
    """
    return _items(source) if array else _lines(source)


def _lines(source: Source) -> Iterator[tuple[dict[str, Any], int]]:
    for number, line in enumerate(source.lines("\n"), 1):
        if line.strip():
            where = f"{source.shown}, line {number}"
            try:
                value = json.loads(line.removesuffix("\n"))
            except json.JSONDecodeError as error:
                raise _not_json(where, error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise _unreadable(where, error) from None
            yield _record(value, where), len(line)


def _items(source: Source) -> Iterator[tuple[dict[str, Any], int]]:
    with source.text("") as stream:
        text = _Window(stream, source.shown)
        text.take("[")
        number = 0
        while text.next() != "]":
            if number:
                text.take(",")
            where = f"{source.shown}, item {number}"
            value, long = text.value(where)
            yield _record(value, where), long
            number += 1
        text.take("]")
        if text.next():
            raise _not_json(source.shown, "Extra data", text.position)


class _Window:
    """The part of a JSON text that is looked at.

    Args:
        stream: the text.
        shown: what messages call it.
    """

    def __init__(self, stream: io.TextIOBase, shown: str) -> None:
        self._stream, self._shown = stream, shown
        self._text, self._at, self._before = "", 0, 0
        self._decoder = json.JSONDecoder()

    @property
    def position(self) -> int:
        """The place in the whole text, in characters."""
        return self._before + self._at

    def _more(self) -> bool:
        """Read on, at least as much again as there is; False at the end."""
        left = self._text[self._at :]
        found = self._stream.read(max(_BLOCK, len(left)))
        self._before, self._text, self._at = self.position, left + found, 0
        return bool(found)

    def next(self) -> str:
        """The next character that is no white space, which stays; empty at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, sign: str) -> None:
        """Go behind a sign that must come next."""
        if self.next() != sign:
            raise _not_json(self._shown, f"Expecting {sign!r}", self.position)
        self._at += 1

    def value(self, where: str) -> tuple[Any, int]:
        """The next value, and its length in characters."""
        self.next()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _CUT
                if cut and len(self._text) - self._at >= sources.LONGEST:
                    raise DataError(
                        f"{where} is longer than {sources.LONGEST:,} characters; is a quote or a "
                        "bracket left open?"
                    ) from None
                place, message = self._before + error.pos, error.msg
                if not cut or not self._more():
                    raise _not_json(self._shown, message, place) from None
            except (ValueError, RecursionError) as error:
                raise _unreadable(where, error) from None
            else:
                long, self._at = end - self._at, end
                return found, long


def _not_json(where: str, message: str, place: int) -> DataError:
    return DataError(
        f"{where} is not JSON: {message} at character {place}; write one object a line."
    )


def _unreadable(where: str, error: Exception) -> DataError:
    return DataError(
        f"{where} cannot be read as JSON: {str(error).split(';')[0]}; simplify the value."
    )


def _record(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(
            f'{where} is {type(value).__name__}, not an object; write {{"text": ..., "label": '
            f"...}} on each line."
        )
    return value
