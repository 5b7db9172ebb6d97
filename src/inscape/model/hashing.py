"""The hash of a network's weights: what a certificate, a store and a run are bound to.

SHA-256 of half a gigabyte takes longer than loading it. So what was computed once of a checkpoint
is kept in the cache, and stands again where both hold:

    files    path, inode, size and times (of content and of status) of every file of weights, as they were
    sums     `weights_sums` of the network that was loaded, over all of its bytes, as they were
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from inscape.core.home import home
from inscape.core.overwriting import replacing

log = logging.getLogger(__name__)

_ROW = 256  # numbers of eight bytes in a row of the sums that tell whether a tensor was changed


def weights_hash(net: nn.Module) -> str:
    """SHA-256 over every tensor of the state: name, dtype, shape and bytes, in the order of names.

    About a second per gigabyte. Two networks with the same hash hold the same numbers under the
    same names; what uses them is in `inscape.model.identity`.
    """
    digest = hashlib.sha256()
    for name, tensor in _held(net):
        digest.update(_head(name, tensor))
        if tensor.numel():
            digest.update(plain_bytes(tensor))
    return digest.hexdigest()


def weights_sums(net: nn.Module) -> str:
    """What tells whether weights were changed since: sums of rows and columns of every tensor's
    bytes, hashed.

    A tenth of the cost of `weights_hash`, and as long as nobody changes weights to leave both sums
    as they were, as certain. A tensor's version is not enough: what is written through ``.data`` or
    a numpy view does not raise it.
    """
    digest = hashlib.sha256()
    # tied weights lie in one place; each is held on to, for what is made here would free its place
    # for the next
    seen: dict[tuple[int, torch.Size, torch.dtype], tuple[Tensor, list[bytes]]] = {}
    for name, tensor in _held(net):
        digest.update(_head(name, tensor))
        if tensor.numel():
            key = (tensor.data_ptr(), tensor.shape, tensor.dtype)
            if key not in seen or not tensor.is_contiguous():
                seen[key] = tensor, _sums(tensor)
            for part in seen[key][1]:
                digest.update(part)
    return digest.hexdigest()


def hashing(net: nn.Module, folder: Path | None = None) -> Callable[[], tuple[str, str]]:
    """Begin `weights_sums` and `weights_hash` beside what is done meanwhile; what is returned waits
    and gives both.

    The weights must not be changed or moved until then.

    Args:
        net: a network that was just loaded.
        folder: where its weights were read from: the hash is kept for the next time. None keeps
            nothing.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="inscape-hash")
    both = pool.submit(_sums_and_hash, net, folder)
    pool.shutdown(wait=False)
    return both.result


def _sums_and_hash(net: nn.Module, folder: Path | None) -> tuple[str, str]:
    sums = weights_sums(net)
    path = None if folder is None else _place(folder, sums)
    found = None if path is None else _kept(path)
    if found is None:
        found = weights_hash(net)
        if path is not None:
            _keep(path, found)
    return sums, found


def _place(folder: Path, sums: str) -> Path | None:
    """Where the hash of a checkpoint is kept: a name made of what its files are now and what was
    loaded from them.
    """
    try:
        # links followed: in the Hub's cache they are links to files named by content
        files = sorted(path.resolve() for path in folder.glob("*.safetensors"))
        marks = [
            [str(f), s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns]
            for f, s in ((f, f.stat()) for f in files)
        ]
    except OSError:
        return None
    if not marks:
        return None
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    name = hashlib.sha256(json.dumps([marks, sums, code]).encode()).hexdigest()
    return home("weights", f"{name}.txt")


def _kept(path: Path) -> str | None:
    try:
        found = path.read_text()
    except (OSError, ValueError):
        return None
    return found if re.fullmatch("[0-9a-f]{64}", found) else None


def _keep(path: Path, found: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as fresh:
            fresh.write_text(found)
    except OSError as error:
        log.info("the hash of the weights is not kept: %s", error)


def _held(net: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every plain tensor of the state, in the order of names; what is no tensor there as the bytes
    of its text.
    """
    for name, value in sorted(net.state_dict().items(), key=lambda item: item[0]):
        yield from _plain(name, value)


def _plain(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """The plain tensors of a value: the parts of a quantised tensor, the members of a packed
    layer.
    """
    if isinstance(value, (list, tuple)):
        for i, one in enumerate(value):
            yield from _plain(f"{name}.{i}", one)
    elif isinstance(value, Tensor) and value.is_quantized:
        yield name, value.int_repr()
        yield (
            f"{name}|scale",
            value.dequantize(),
        )  # holds scales and zero points, per tensor or per channel
    elif isinstance(value, Tensor) and is_traceable_wrapper_subclass(value):
        inner, context = value.__tensor_flatten__()
        for part in inner:
            yield from _plain(f"{name}.{part}", getattr(value, part))
        yield from _plain(f"{name}|", str(context))
    elif isinstance(value, Tensor):
        if value.layout is not torch.strided:
            yield from _plain(f"{name}|", str(value.layout))
        yield name, value.to_dense()
    else:
        yield (
            name,
            torch.frombuffer(bytearray(repr(value).encode()) or bytearray(1), dtype=torch.uint8),
        )


def plain_bytes(tensor: Tensor) -> memoryview:
    """A tensor's numbers as bytes, row after row."""
    return memoryview(_bytes(tensor.cpu()).numpy())


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def _head(name: str, tensor: Tensor) -> bytes:
    return f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode()


def _sums(tensor: Tensor) -> list[bytes]:
    flat = _bytes(tensor)
    if flat.device.type != "cpu":
        # summed where it lies: its bytes would take longer to come here than to add
        whole = len(flat) // (8 * _ROW) * 8 * _ROW
        table = flat[:whole].view(torch.int64).view(-1, _ROW)
        parts = [table.sum(0), table.sum(1), flat[whole:]]
        return [part.cpu().numpy().tobytes() for part in parts]
    data = flat.numpy()
    whole = len(data) // (8 * _ROW) * 8 * _ROW
    table = data[:whole].view(np.int64).reshape(-1, _ROW)
    return [table.sum(0).tobytes(), table.sum(1).tobytes(), data[whole:].tobytes()]
