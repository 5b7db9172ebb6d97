"""Tensors in files of PyTorch's own, as published lenses are kept in, read without running
anything.

Such a file is a zip archive of a pickle and the tensors' bytes. PyTorch's restricted loader
(``weights_only=True``) makes tensors and plain containers of it and refuses every other name. Here
the file is looked at before: it is a regular one, and its parts are not compressed, so that nothing
unfolds; and the tensors after: none has more numbers than the file has for it.

Cost: the list of the archive, and one look at each tensor.
Reference: PyTorch's serialization semantics,
https://docs.pytorch.org/docs/stable/notes/serialization.html.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_TIED = 4  # names that a tensor has, on average, at most


def load_tensors(path: str | Path) -> Any:
    """What `torch.save` wrote, made of tensors and plain containers alone.

    Raises:
        ValueError: no regular file, no such archive, compressed parts, or a tensor that its file
            does not hold.
        OSError, pickle.UnpicklingError: it cannot be read, or holds more than tensors.
    """
    path = Path(path)
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(f"{path.name} is not a regular file")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        raise ValueError(f"{path.name} is not a file that torch.save writes") from None
    held = sum(part.file_size for part in parts)
    if (
        any(part.compress_type != zipfile.ZIP_STORED for part in parts)
        or held > path.stat().st_size
    ):
        raise ValueError(f"{path.name} is compressed, which torch.save does not do")
    found = torch.load(path, map_location="cpu", weights_only=True)
    total = 0
    for tensor in _tensors(found):
        # a stride of zero makes any number of one, and so does one tensor under many names
        whole = tensor.layout is torch.strided and not tensor.is_quantized
        size = tensor.numel() * tensor.element_size()
        total += size
        if not whole or size > tensor.untyped_storage().nbytes() or total > _TIED * held:
            raise ValueError(
                f"{path.name} has a tensor of {tuple(tensor.shape)} that it does not hold"
            )
    return found


def _tensors(found: Any) -> Iterator[Tensor]:
    """Every tensor in nested containers, each container once."""
    left, seen = [found], set()
    while left:
        one = left.pop()
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, (dict, list, tuple)) and id(one) not in seen:
            seen.add(id(one))
            left += one.values() if isinstance(one, dict) else one
