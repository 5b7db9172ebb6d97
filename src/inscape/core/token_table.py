"""Tokens of many texts in a few flat arrays: four bytes a token, and not a Python object for each.

A token id fits 32 bits; whether a token is special, one. Character offsets are kept where spans need them (eight bytes a
token). An example is made as `inscape.core.batch.Tokens` when it is asked for. A flat array of more than 64 MB lies in a
file without a name (`inscape.core.scratch`), so that memory does not grow with the number of tokens.

Cost: 8 bytes of memory an example and array, O(length) time for an example.
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


class Ragged(Sequence[np.ndarray]):
    """Arrays of whole numbers of different lengths, one after the other in a flat array; each is given as int64.

    Args:
        parts: the arrays, taken one by one; None if they are added later, before `close`.
        dtype: of the flat array.

    Example:
        >>> [x.tolist() for x in Ragged([np.array([1, 2]), np.array([], dtype=int), np.array([3])])]
        [[1, 2], [], [3]]
    """

    def __init__(self, parts: Iterable[np.ndarray] | None = None, dtype: Any = np.int32) -> None:
        self.dtype = np.dtype(dtype)
        self._ends = array("q", [0])
        self._waiting: list[np.ndarray] = []
        self._count = 0  # numbers that wait
        self._done: list[np.ndarray] = []
        self._held = 0  # bytes of what is put together
        self._kept = np.empty(0, dtype=self.dtype)
        self._file: Scratch | None = None  # where it lies instead, if it is large
        if parts is not None:
            for part in parts:
                self.add(part)
            self.close()

    def add(self, part: np.ndarray) -> None:
        """Put one more at the end; `close` before reading."""
        self._waiting.append(part)
        self._ends.append(self._ends[-1] + len(part))
        self._count += len(part)
        if self._count * self.dtype.itemsize > _PIECE or len(self._waiting) == _PARTS:
            self._put_together()

    def _put_together(self) -> None:
        if not self._waiting:
            return
        piece = np.concatenate(self._waiting).astype(self.dtype)
        self._waiting, self._count = [], 0
        if self._file is None and self._held + piece.nbytes > HELD:
            self._file = Scratch()
            for earlier in self._done:
                self._file.write(memoryview(earlier))
            self._done = []
        if self._file is None:
            self._done.append(piece)
            self._held += piece.nbytes
        else:
            self._file.write(memoryview(piece))

    def close(self) -> None:
        """Make what was added readable; nothing is added afterwards."""
        self._put_together()
        if self._done:
            self._kept = np.concatenate(self._done)
            self._done = [self._kept]
        self.starts = np.frombuffer(self._ends, dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of the flat array, wherever it lies."""
        return int(self.starts[-1]) * self.dtype.itemsize

    @property
    def in_memory(self) -> bool:
        """Whether the flat array is held in memory."""
        return self._file is None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        number = int(i)
        number += len(self) if number < 0 else 0
        if not 0 <= number < len(self):
            raise IndexError(f"there are {len(self)} examples, asked for {i}")
        return self.stretch(int(self.starts[number]), int(self.starts[number + 1]))

    def stretch(self, start: int, end: int) -> np.ndarray:
        """A stretch of the flat array as int64."""
        if self._file is None:
            return self._kept[start:end].astype(np.int64)
        size = self.dtype.itemsize
        return np.frombuffer(
            self._file.read(start * size, (end - start) * size), dtype=self.dtype
        ).astype(np.int64)

    @property
    def lengths(self) -> np.ndarray:
        """The length of each, int64."""
        return np.diff(self.starts)


class TokenTable(Sequence[Tokens]):
    """Tokenised texts.

    Args:
        tokens: the examples, taken one by one.
        offsets: whether character offsets are kept; (0, 0) everywhere if not.
    """

    def __init__(self, tokens: Iterable[Tokens], *, offsets: bool) -> None:
        self.ids = Ragged()
        self._special = Ragged(dtype=np.uint8)  # eight tokens a byte
        self._offsets = Ragged() if offsets else None
        for t in tokens:
            self.ids.add(t.ids)
            self._special.add(np.packbits(t.special))
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
        ids = self.ids[i]
        bits = self._special[i].astype(np.uint8)
        special = np.unpackbits(bits, count=len(ids)).astype(bool)
        offsets = (
            np.zeros((len(ids), 2), dtype=np.int64)
            if self._offsets is None
            else self._offsets[i].reshape(-1, 2)
        )
        return Tokens(ids, offsets, special)


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
