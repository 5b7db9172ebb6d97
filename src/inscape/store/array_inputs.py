"""Arrays as what a harvest feeds in: rows of an array, or of several named ones, are the examples.

Where the network gives several positions (patches, frames, pixels of a feature map), they are kept
by number. An array may be a memory map: it is read a block at a time, and nothing is held of it but
a hash a row, by which identical rows are computed once.

Cost: one reading of the array at the speed of SHA-256; 32 bytes of memory a row.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inscape.core.batch import Batch
from inscape.core.errors import DataError
from inscape.store.inputs import Inputs, numbered

_BLOCK = 8 << 20  # bytes of an array hashed at a time


class ArrayInputs(Inputs):
    """Rows of an array, or of a batch of named tensors, as examples; see `Inputs`.

    Args:
        x: an array or tensor whose first axis is the example, what can be indexed like one, or a
            `Batch` without padding.
        at: ``"first"``, ``"last"``, ``"all"``, or ``"mean"`` (``"mean-all"``) of the positions that
            the network gives.
        positions: how many positions it gives.

    Raises:
        DataError: another `at`, or examples that are padded.
    """

    text = False

    def __init__(self, x: Any, at: str, positions: int = 1):
        self._positions = kept_positions(at, positions)
        if isinstance(x, Batch) and (short := padded(x)) is not None:
            raise DataError(
                f"example {short} of these arrays is padded, and its padding would be harvested "
                "like the rest; give examples of one length without padding, one harvest a length."
            )
        self.arrays: dict[str, Any] = dict(x.inputs) if isinstance(x, Batch) else {"": x}
        count = len(next(iter(self.arrays.values())))
        self.reduce = "mean" if at in ("mean", "mean-all") else "none"
        each = 1 if self.reduce == "mean" else len(self._positions)
        self.lengths = np.broadcast_to(
            np.int64(positions), count
        )  # one number, however many examples
        self.rows = np.broadcast_to(np.int64(each), count)
        self.table = numbered(count)
        self.example_bytes = sum(_row_bytes(x) for x in self.arrays.values())
        self._contents = self._hashed(count)
        self._kept = hashlib.sha256(self._positions.astype("<i8").tobytes()).digest()
        # the same arrays are the same examples, however many positions a network makes of them
        self.data = hashlib.sha256(self._contents).hexdigest()

    def positions(self, i: int) -> np.ndarray:
        return self._positions

    def ids(self, i: int) -> np.ndarray:
        return np.full(len(self.kept(i)), -1, dtype=np.int64)  # there are no tokens

    def key(self, i: int) -> bytes:
        return self._contents[i].tobytes() + self._kept

    def batch(self, model: Any, members: Sequence[int] | np.ndarray) -> Batch:
        found = {name: _taken(x, np.asarray(members)) for name, x in self.arrays.items()}
        # a double in a network of floats is refused by its first layer
        fit = {name: x.to(model.dtype) if x.is_floating_point() else x for name, x in found.items()}
        return model.batch(fit[""]) if "" in fit else Batch(fit)

    def cut(self, members: np.ndarray) -> Inputs:
        part = copy.copy(self)
        taken = {name: _taken(x, members) for name, x in self.arrays.items()}
        # numpy arrays cross between processes without a copy; bfloat16, which numpy has not, goes
        # as a tensor
        part.arrays = {
            name: x if x.dtype == torch.bfloat16 else x.numpy() for name, x in taken.items()
        }
        part.lengths, part.rows = self.lengths[members], self.rows[members]
        part.table, part._contents = self.table.iloc[members], self._contents[members]
        return part

    def _hashed(self, count: int) -> np.ndarray:
        """SHA-256 of every example, (n, 32) uint8."""
        out = np.empty((count, 32), dtype=np.uint8)
        step = max(1, _BLOCK // max(1, self.example_bytes))
        names = [f"{name}|{x.dtype}|{tuple(x.shape[1:])}" for name, x in self.arrays.items()]
        head = hashlib.sha256("|".join(names).encode())
        for start in range(0, count, step):
            chosen = np.arange(start, min(count, start + step))
            blocks = [
                _taken(x, chosen).contiguous().flatten().view(torch.uint8).numpy()
                for x in self.arrays.values()
            ]
            rows = [block.reshape(len(chosen), -1) for block in blocks]
            for i, row in enumerate(chosen.tolist()):
                one = head.copy()
                for x in rows:
                    one.update(x[i])
                out[row] = np.frombuffer(one.digest(), dtype=np.uint8)
        return out


def kept_positions(at: str, positions: int) -> np.ndarray:
    """Which of so many positions are kept, ascending.

    Raises:
        DataError: another `at` than ``first``, ``last``, ``all``, ``mean`` or ``mean-all``.
    """
    which = {"first": range(1), "last": range(positions - 1, positions)}
    which |= dict.fromkeys(("all", "mean", "mean-all"), range(positions))
    if at not in which:
        raise DataError(
            f"an array's rows are harvested at 'first', 'last', 'all' or 'mean', not at {at!r}."
        )
    return np.array(which[at], dtype=np.int64)


def _taken(x: Any, which: np.ndarray) -> Tensor:
    """Rows of an array or tensor, as a tensor on the CPU of its own."""
    if isinstance(x, Tensor):
        return x[torch.from_numpy(which).to(x.device)].detach().cpu()
    return torch.from_numpy(np.ascontiguousarray(x[which]))


def _row_bytes(x: Any) -> int:
    size = x.element_size() if isinstance(x, Tensor) else x.dtype.itemsize
    return int(size * np.prod(x.shape[1:], dtype=np.int64))


def real_lengths(batch: Batch) -> Tensor | None:
    """How much of each example is real, by the batch's own lengths or mask; None where neither
    says.
    """
    mask = batch.inputs.get("attention_mask")
    if batch.lengths is not None or mask is None or mask.ndim != 2:
        return batch.lengths
    if not bool((mask.long().diff(dim=1) <= 0).all()):
        raise DataError(
            "these inputs are padded on the left, which shifts positions; pad on the right."
        )
    return mask.long().sum(1)


def padded(batch: Batch) -> int | None:
    """The first example that is shorter than the batch is long; None where none is."""
    lengths = real_lengths(batch)
    if lengths is None:
        return None
    longest = max(x.shape[1] for x in batch.inputs.values() if x.ndim > 1)
    short = (lengths < longest).nonzero()
    return int(short[0]) if len(short) else None
