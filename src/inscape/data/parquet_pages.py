"""How much a Parquet file unfolds to, from the headers of its pages, before anything is unfolded.

A column lies in pages, each behind a header that says how long it is packed and unpacked. Arrow
takes the memory that a header asks for, so all headers are read first, and a file that asks for far
more than tables take is refused. A value of a dictionary, or one that repeats the start of the one
before, may stand for many: rows are read so few at a time that even the longest such values fit.

Cost: one reading of some hundred bytes a page, of which most files have one a megabyte.
Reference: the Parquet format, https://github.com/apache/parquet-format; Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

#: bytes that a file may always unfold to, and how many times its own size beyond that
UNFOLDED, RATIO = 64 << 20, 200
_ROWS, _HELD = 4096, 256 << 20  # of a file at a time: rows, and bytes of the longest values
_SHORT, _LONG = 1 << 10, 1 << 20  # bytes of a header: read at first, and at most
_DEEPEST = 16
_DICTIONARY = 2  # a page's type
_PREFIXES = 7  # an encoding: DELTA_BYTE_ARRAY
_BYTES, _BYTE, _DOUBLE, _LISTS, _MAP, _STRUCT = 8, 3, 7, (9, 10), 11, 12  # Thrift's types
_TRUTHS, _WHOLE = (1, 2), (4, 5, 6)


@dataclass(frozen=True)
class Page:
    """What a page's header says.

    Attributes:
        unpacked, packed: bytes of the page.
        header: bytes of the header.
        values: how many there are; 0 in a dictionary.
        spreads: whether one of its bytes may stand for many in the table.
    """

    unpacked: int
    packed: int
    header: int
    values: int
    spreads: bool


@dataclass(frozen=True)
class Extent:
    """What reading a file takes.

    Attributes:
        most: bytes that its table may have.
        rows: how many are read at a time.
    """

    most: int
    rows: int


def extent(file: pq.ParquetFile, size: int, read: Callable[[int, int], bytes]) -> Extent:
    """Look at every page's header.

    Args:
        file: its footer.
        size: bytes of the file.
        read: gives some bytes from a place on.

    Raises:
        ValueError: a header is damaged, or the file would unfold to far more than tables do.
    """
    head = file.metadata
    most = max(UNFOLDED, RATIO * size)
    unfolded, spread = head.num_rows * head.num_columns, 0
    for group in range(head.num_row_groups):
        longest = 0
        for number in range(head.num_columns):
            own = 0
            for page in _pages(head.row_group(group).column(number), size, read):
                unfolded += page.unpacked
                own = max(own, page.unpacked if page.spreads else 0)
                if unfolded > most:
                    break
            longest += own
        spread = max(spread, longest)
    if unfolded > most:
        raise ValueError(
            f"it has {size:,} bytes and unfolds to more than {most:,}, which no table of text does"
        )
    return Extent(most, max(1, min(_ROWS, _HELD // max(1, spread))))


def _pages(column: Any, size: int, read: Callable[[int, int], bytes]) -> Iterator[Page]:
    """The pages of one column of a row group."""
    start = column.data_page_offset
    if column.has_dictionary_page and 0 < (column.dictionary_page_offset or 0) < start:
        start = column.dictionary_page_offset
    end, values = start + column.total_compressed_size, 0
    while start < end and values < column.num_values:
        page = _page(start, read)
        if page.unpacked < 0 or page.packed < 0 or page.values < 0:
            raise ValueError("a page has a length below zero")
        start += page.header + page.packed
        if start > size:
            raise ValueError("a page is longer than the file")
        values += page.values
        yield page


def _page(start: int, read: Callable[[int, int], bytes]) -> Page:
    length = _SHORT
    while True:
        data = read(start, length)
        try:
            thrift = _Thrift(data)
            fields = thrift.struct()
            break
        except IndexError:
            if len(data) < length or length >= _LONG:
                raise ValueError("a page's header is damaged") from None
            length *= 32
    first, second = (f if isinstance(f := fields.get(n), dict) else {} for n in (5, 8))
    encodings = (first.get(2), second.get(4))
    dictionary = fields.get(1) == _DICTIONARY
    numbers = (fields.get(2), fields.get(3), first.get(1, 0), second.get(1, 0))
    if not all(isinstance(n, int) for n in numbers):
        raise ValueError("a page's header is damaged")
    unpacked, packed, *values = numbers
    return Page(unpacked, packed, thrift.at, max(values), dictionary or _PREFIXES in encodings)


class _Thrift:
    """Values of Thrift's compact protocol; IndexError where the data end too soon.

    Args:
        data: begins with a structure.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """A structure's whole numbers and structures by field; everything else is passed over."""
        if depth > _DEEPEST:
            raise ValueError("a page's header is nested too deeply")
        found: dict[int, Any] = {}
        field = 0
        while (byte := self._byte()) != 0:
            field = field + (byte >> 4) if byte >> 4 else self._whole()
            found[field] = self._value(byte & 15, depth)
        return found

    def _value(self, kind: int, depth: int, inside: bool = False) -> Any:
        if kind in _WHOLE:
            return self._whole()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in _TRUTHS:
            self.at += inside  # a field's truth value lies in its type
        elif kind in (_BYTE, _DOUBLE):
            self._pass(1 if kind == _BYTE else 8)
        elif kind == _BYTES:
            self._pass(self._length())
        elif kind in _LISTS:
            byte = self._byte()
            count = self._length() if byte >> 4 == 15 else byte >> 4
            for _ in range(count):
                self._value(byte & 15, depth + 1, inside=True)
        elif kind == _MAP:
            if count := self._length():
                kinds = self._byte()
                for _ in range(count):
                    self._value(kinds >> 4, depth + 1, inside=True)
                    self._value(kinds & 15, depth + 1, inside=True)
        else:
            raise ValueError("a page's header is damaged")
        return None

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _pass(self, count: int) -> None:
        self.at += count
        if self.at > len(self._data):
            raise IndexError

    def _length(self) -> int:
        found = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
        raise ValueError("a page's header is damaged")

    def _whole(self) -> int:
        found = self._length()
        return (found >> 1) ^ -(found & 1)
