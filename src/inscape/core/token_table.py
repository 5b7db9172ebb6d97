"""Tokens of many texts in a few flat arrays: four bytes a token, and not a Python object for each.

A token id fits 32 bits; whether a token is special, one. Character offsets are kept where spans
need them (eight bytes a token). Where an example begins is said once for all of its arrays, and it
is made as `inscape.core.batch.Tokens` when it is asked for. A flat array of more than 64 MB lies in
a file without a name (`inscape.core.scratch`), so that memory does not grow with the number of
tokens.

Cost: 4 bytes of memory an example, O(length) time for an example.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from inscape.core.batch import Tokens
from inscape.core.scratch import Scratch

#: bytes of a flat array that are held in memory
HELD = 64 << 20
_PIECE, _PARTS = 4 << 20, 10_000  # bytes and arrays that wait before they are put together
_SHORT = 2**32 - 1  # the largest place in a flat array that four bytes hold


class FlatArray:
    """Whole numbers one after the other, put together piece by piece; from `HELD` bytes on they lie
    in a file.

    Args:
        dtype: of the numbers.
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self._waiting: list[np.ndarray] = []
        self._count = 0  # numbers that wait
        self._done: list[np.ndarray] = []
        self._held = 0  # bytes of what is put together
        self._kept = np.empty(0, dtype=self.dtype)
        self._file: Scratch | None = None  # where it lies instead, if it is large

    def add(self, part: np.ndarray) -> None:
        """Put some more at the end; `close` before reading.

        Raises:
            ValueError: now or later, a number that the dtype cannot hold.
        """
        self._waiting.append(part)
        self._count += len(part)
        if self._count * self.dtype.itemsize > _PIECE or len(self._waiting) == _PARTS:
            self._put_together()

    def _put_together(self) -> None:
        if not self._waiting:
            return
        joined = np.concatenate(self._waiting)
        piece = joined.astype(self.dtype)
        if not (piece == joined).all():
            raise ValueError(f"FlatArray: {joined.max()} or {joined.min()} is no {self.dtype}")
        self._waiting, self._count = [], 0
        if self._file is None and self._held + piece.nbytes > HELD:
            self._file = Scratch()
            for earlier in self._done:
                self._file.write(memoryview(earlier))
            self._done = []
        if self._file is None:
            self._done.append(piece)
        else:
            self._file.write(memoryview(piece))
        self._held += piece.nbytes

    def close(self) -> None:
        """Make what was added readable; nothing is added afterwards."""
        self._put_together()
        if self._done:
            self._kept = np.concatenate(self._done)
            self._done = []

    @property
    def nbytes(self) -> int:
        """Bytes of all of it, wherever it lies."""
        return self._held

    @property
    def in_memory(self) -> bool:
        """Whether it is held in memory."""
        return self._file is None

    def stretch(self, start: int, end: int) -> np.ndarray:
        """The numbers from `start` to before `end`, of the flat array's dtype; not to be written
        to.
        """
        if self._file is None:
            return self._kept[start:end]
        size = self.dtype.itemsize
        return np.frombuffer(self._file.read(start * size, (end - start) * size), dtype=self.dtype)


class Ragged(Sequence[np.ndarray]):
    """Arrays of whole numbers of different lengths, one after the other in a flat array; each is
    given as int64.

    Args:
        parts: the arrays, taken one by one; None if they are added later, before `close`.
        dtype: of the flat array.

    Attributes:
        starts: where each begins, and where the last ends, (n + 1,) uint32, or int64 where there
            are more numbers.

    Example:
        >>> [x.tolist() for x in Ragged([np.array([1, 2]), np.array([], dtype=int), np.array([3])])]
        [[1, 2], [], [3]]
    """

    def __init__(self, parts: Iterable[np.ndarray] | None = None, dtype: Any = np.int32) -> None:
        self.flat = FlatArray(dtype)
        self._ends, self._last = array("I", [0]), 0
        if parts is not None:
            for part in parts:
                self.add(part)
            self.close()

    def add(self, part: np.ndarray) -> None:
        """Put one more at the end; `close` before reading."""
        self.flat.add(part)
        self._last += len(part)
        if self._last > _SHORT and self._ends.typecode == "I":
            self._ends = array("q", self._ends)
        self._ends.append(self._last)

    def close(self) -> None:
        """Make what was added readable; nothing is added afterwards."""
        self.flat.close()
        self.starts = np.array(self._ends)  # no longer than it is, as an array that grew may be
        self._ends = array("I")

    @property
    def nbytes(self) -> int:
        """Bytes of the flat array, wherever it lies."""
        return self.flat.nbytes

    @property
    def in_memory(self) -> bool:
        """Whether the flat array is held in memory."""
        return self.flat.in_memory

    def __len__(self) -> int:
        return len(self.starts) - 1

    def span(self, i: Any) -> tuple[int, int]:
        """Where one lies in the flat array: its first number, and the first after it."""
        number = int(i)
        number += len(self) if number < 0 else 0
        if not 0 <= number < len(self):
            raise IndexError(f"there are {len(self)} examples, asked for {i}")
        return int(self.starts[number]), int(self.starts[number + 1])

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        return self.flat.stretch(*self.span(i)).astype(np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """The length of each, (n,) int32."""
        return np.subtract(self.starts[1:], self.starts[:-1], dtype=np.int32, casting="unsafe")


class TokenTable(Sequence[Tokens]):
    """Tokenised texts.

    Args:
        tokens: the examples, taken one by one.
        offsets: whether character offsets are kept; (0, 0) everywhere if not.
    """

    def __init__(self, tokens: Iterable[Tokens], *, offsets: bool) -> None:
        self.ids = Ragged()
        self._special = _Bits()
        self._offsets = FlatArray(np.int32) if offsets else None
        for t in tokens:
            self.ids.add(t.ids)
            self._special.add(t.special)
            if self._offsets is not None:
                self._offsets.add(t.offsets.ravel())
        for kept in (self.ids, self._special, self._offsets):
            if kept is not None:
                kept.close()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        start, end = self.ids.span(i)
        offsets = (
            np.zeros((end - start, 2), dtype=np.int64)
            if self._offsets is None
            else self._offsets.stretch(2 * start, 2 * end).astype(np.int64).reshape(-1, 2)
        )
        return Tokens(self.ids[i], offsets, self._special.stretch(start, end))


class _Bits:
    """Truth values, eight of them a byte."""

    def __init__(self) -> None:
        self._flat = FlatArray(np.uint8)
        self._waiting: list[np.ndarray] = []
        self._count = 0

    def add(self, part: np.ndarray) -> None:
        self._waiting.append(part)
        self._count += len(part)
        if self._count > _PIECE or len(self._waiting) == _PARTS:
            self._put_together(last=False)

    def _put_together(self, last: bool) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting).astype(bool)
        whole = len(values) if last else len(values) - len(values) % 8
        self._flat.add(np.packbits(values[:whole]))
        # a byte that is begun waits for more; a view would hold all the others
        self._waiting, self._count = [values[whole:].copy()], len(values) - whole

    def close(self) -> None:
        self._put_together(last=True)
        self._flat.close()

    def stretch(self, start: int, end: int) -> np.ndarray:
        """The values from `start` to before `end`."""
        found = np.unpackbits(self._flat.stretch(start // 8, -(-end // 8)))
        return found[start % 8 : start % 8 + end - start].astype(bool)


class Picked(Sequence[Any]):
    """Some of the items of a sequence, looked up when they are asked for.

    Args:
        of: the sequence.
        members: which.
    """

    def __init__(self, of: Sequence[Any], members: np.ndarray) -> None:
        self._of, self._members = of, members

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        return self._of[int(self._members[i])]
