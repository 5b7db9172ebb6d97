"""The file of a shard: named arrays in the safetensors layout, read by range.

    8 bytes: length N of the header, little-endian
    N bytes: JSON, name → {"dtype", "shape", "data_offsets": [from, to]} counted from the header's end
    the arrays, one after the other, in row order

Any tool of the field opens it (``safetensors.torch.load_file``). Written here straight from the
tensors' own memory, and read by column and by row without touching the rest, which the format's own
library does neither of.

Cost: none beyond the bytes; a header is parsed once a file.
Reference: the safetensors format, https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

SUFFIX = ".safetensors"
_DTYPES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.int64: "I64",
    torch.int32: "I32",
}
#: how numpy reads each; bfloat16, which it has no type for, as the 16 bits it is
_NUMPY = {"F32": "<f4", "BF16": "<u2", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
_LONGEST = 100 << 20  # bytes of a header; more is no header


class Column(NamedTuple):
    """Where a column lies in a file.

    Attributes:
        start: its first byte.
        rows: how many rows it has.
        width: values a row; 1 for a column of numbers.
        dtype: ``F32``, ``BF16`` …
    """

    start: int
    rows: int
    width: int
    dtype: str

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(_NUMPY[self.dtype])

    @property
    def row_bytes(self) -> int:
        return self.width * self.numpy.itemsize


def packed(columns: Mapping[str, Tensor], key: str) -> list[memoryview]:
    """A file as the pieces it is made of, without a copy of what is contiguous.

    Args:
        columns: name → (rows,) or (rows, width) tensor on the CPU.
        key: kept in the header: whose file it is.
    """
    header: dict[str, object] = {"__metadata__": {"inscape": key}}
    pieces, end = [], 0
    for name, x in columns.items():
        start, end = end, end + x.nbytes
        header[name] = {
            "dtype": _DTYPES[x.dtype],
            "shape": list(x.shape),
            "data_offsets": [start, end],
        }
        if x.nbytes:
            pieces.append(memoryview(x.contiguous().flatten().view(torch.uint8).numpy()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-(len(text) + 8) % 64)  # arrays on whole cache lines
    return [memoryview(len(text).to_bytes(8, "little") + text), *pieces]


def layout(read: Callable[[int, int], bytes], guess: int = 8192) -> tuple[str, dict[str, Column]]:
    """Whose file it is, and where its columns lie.

    Args:
        read: gives `length` bytes from `start` on.
        guess: bytes read at first; a longer header takes a second reading.

    Raises:
        ValueError: not such a file, or not a whole header.
    """
    head = read(0, guess)
    length = int.from_bytes(head[:8], "little")
    if not 2 <= length <= _LONGEST:
        raise ValueError("its header is damaged")
    text = head[8 : 8 + length]
    if len(text) < length and len(head) == guess:
        text += read(guess, 8 + length - guess)
    try:
        header = json.loads(text)
        key = header.pop("__metadata__")["inscape"]
        columns = {name: _column(8 + length, entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise ValueError("its header is damaged") from None
    return key, columns


def _column(base: int, entry: Any) -> Column:
    """A column whose bytes are those that its rows take; ValueError or TypeError if they are
    not.
    """
    (rows, *rest), (start, end) = entry["shape"], entry["data_offsets"]
    (width,) = rest or [1]
    column = Column(base + start, rows, width, entry["dtype"])
    if min(start, rows, width) < 0 or end - start != rows * column.row_bytes:
        raise ValueError
    return column
