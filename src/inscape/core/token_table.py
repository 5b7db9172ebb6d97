"""Tokens of many texts in a few flat arrays: four bytes a token, and not a Python object for each.

A token id fits 32 bits; whether a token is special, one. Character offsets are kept where spans need them (eight bytes a
token). An example is made as `inscape.core.batch.Tokens` when it is asked for.

Cost: O(tokens) memory; O(length) time for an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from inscape.core.batch import Tokens


class Ragged(Sequence[np.ndarray]):
    """Arrays of whole numbers of different lengths, one after the other in a flat array; each is given as int64.

    Args:
        parts: the arrays, taken one by one.
        dtype: of the flat array.

    Example:
        >>> [x.tolist() for x in Ragged([np.array([1, 2]), np.array([], dtype=int), np.array([3])])]
        [[1, 2], [], [3]]
    """

    def __init__(self, parts: Iterable[np.ndarray], dtype: Any = np.int32) -> None:
        chunks, lengths, waiting = [], [], []
        size = 0
        for part in parts:
            waiting.append(part)
            lengths.append(len(part))
            size += len(part)
            if size > 1 << 20:
                chunks.append(np.concatenate(waiting).astype(dtype))
                waiting, size = [], 0
        if waiting:
            chunks.append(np.concatenate(waiting).astype(dtype))
        self.flat = np.concatenate(chunks) if chunks else np.empty(0, dtype=dtype)
        self.starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        number = int(i)
        number += len(self) if number < 0 else 0
        if not 0 <= number < len(self):
            raise IndexError(f"there are {len(self)} examples, asked for {i}")
        return self.flat[self.starts[number] : self.starts[number + 1]].astype(np.int64)

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
        special: list[np.ndarray] = []
        spans: list[np.ndarray] = []

        def ids() -> Iterable[np.ndarray]:
            for t in tokens:
                special.append(np.packbits(t.special))
                if offsets:
                    spans.append(t.offsets.astype(np.int32))
                yield t.ids

        self.ids = Ragged(ids())
        self._special = np.concatenate(special) if special else np.empty(0, dtype=np.uint8)
        packed = -(-self.ids.lengths // 8)
        self._packed = np.concatenate([[0], np.cumsum(packed)]).astype(np.int64)
        self._offsets = np.concatenate(spans) if spans else None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        ids = self.ids[i]
        number = int(i) % len(self)
        bits = self._special[self._packed[number] : self._packed[number + 1]]
        special = np.unpackbits(bits, count=len(ids)).astype(bool)
        start, end = self.ids.starts[number : number + 2]
        offsets = np.zeros((len(ids), 2), dtype=np.int64)
        if self._offsets is not None:
            offsets = self._offsets[start:end].astype(np.int64)
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
