"""A part of a harvest's inputs, as it is sent to a worker: its own examples, under the numbers they
have among all.

What is cut out on one machine is put back in its place on another, so that everything that reads
inputs by number, and every message that names an example, is the same there.

Cost: the bytes of the part's tokens or array rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from inscape.core.batch import Batch, Tokens
from inscape.store.inputs import Inputs


class Cut(NamedTuple):
    """A part on its way.

    Attributes:
        inputs: the part, numbered from 0.
        first: the number of its first example among all.
        count: how many examples there are in all.
        numbers: what each of its examples is called.
    """

    inputs: Inputs
    first: int
    count: int
    numbers: np.ndarray


def cut(inputs: Inputs, span: tuple[int, int]) -> Cut:
    """The part of a half-open range of examples."""
    numbers = np.array([inputs.number(i) for i in range(*span)], dtype=np.int64)
    return Cut(inputs.cut(np.arange(*span)), span[0], len(inputs), numbers)


class Part(Inputs):
    """A part in its place; only its own examples may be asked about.

    Args:
        given: the part.
    """

    def __init__(self, given: Cut):
        self._inputs, self._first, self._count, self._numbers = given
        inner = self._inputs
        self.text, self.reduce, self.data, self.table = (
            inner.text,
            inner.reduce,
            inner.data,
            inner.table,
        )
        self.tokens = _Placed(inner.tokens, self._first)
        self.lengths, self.rows = self._placed(inner.lengths), self._placed(inner.rows)
        self.switches = inner.switches
        if inner.sharing is not None:
            self.sharing = inner.sharing
            self.sharing.of = self._placed(inner.sharing.of)

    def __len__(self) -> int:
        return self._count

    def positions(self, i: int) -> np.ndarray:
        return self._inputs.positions(i - self._first)

    def ids(self, i: int) -> np.ndarray:
        return self._inputs.ids(i - self._first)

    def key(self, i: int) -> bytes:
        return self._inputs.key(i - self._first)

    def kinds(self, members: np.ndarray) -> np.ndarray:
        return self._inputs.kinds(members - self._first)

    def number(self, i: int) -> int:
        return int(self._numbers[i - self._first])

    def batch(self, model: Any, members: Sequence[int] | np.ndarray) -> Batch:
        return self._inputs.batch(model, np.asarray(members) - self._first)

    def _placed(self, values: np.ndarray) -> np.ndarray:
        """As long as all examples are; memory that is never touched is never taken."""
        out = np.zeros(self._count, dtype=values.dtype)
        out[self._first : self._first + len(values)] = values
        return out


class _Placed(Sequence[Tokens]):
    """A part's examples under their numbers among all."""

    def __init__(self, inner: Sequence[Tokens], first: int):
        self._inner, self._first = inner, first

    def __len__(self) -> int:
        return self._first + len(self._inner)

    def __getitem__(self, i: Any) -> Any:
        return self._inner[i - self._first]
