"""What a network carries from one pass to the next: a hidden state, a cache, a count of positions.

A pass through such a network is a function of its input and of what passes before have left,

    y, s′ = f(x, s)

so that a trial changes the pass after it, and a row of a harvest depends on the batches before. A
network whose output depends on s, measured by two passes of one input, has s put back after each
pass; what it merely notes (a map of attention, a counter that nothing reads) is left to it.

Followed are buffers and attributes of modules: tensors, lists, dictionaries, sets and objects of
the user's own in them. Cost: a copy of them.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from inscape.core.batch import Batch
from inscape.model.hashing import plain_bytes
from inscape.model.hooks import Pass, tensors_in
from inscape.model.identity import packaged
from inscape.model.modes import evaluating, uncompiled
from inscape.model.within_thread import within_thread

_NAME = "carries"
#: how deep what lies in an attribute is followed
_DEPTH = 6
#: attributes of modules that are no state of passes
_HOOKS = frozenset(name for name in nn.Module().__dict__ if name != "_buffers") | {"_parameters"}


def carrying(model: Any, batch: Batch) -> AbstractContextManager[Any]:
    """A block after which what the model's network carries from pass to pass is as it was before.

    Networks of known families carry nothing, and are not looked at.

    Args:
        model: the model.
        batch: inputs that it takes, on which this is measured once.
    """
    if model.family is not None:
        return nullcontext()
    if _NAME not in model.notes:
        model.notes[_NAME] = False
        with suppress(
            Exception
        ):  # what a network makes of inputs that are not its own is said later
            model.notes[_NAME] = _carries(model, Batch({n: x[:2] for n, x in batch.inputs.items()}))
    return put_back(model.net) if model.notes[_NAME] else nullcontext()


@contextmanager
def trial(model: Any) -> Iterator[None]:
    """A block whose passes leave no state behind, and draw no random numbers of the caller's."""
    if model.family is not None:
        yield
        return
    with put_back(model.net), torch.random.fork_rng(devices=[]):
        yield


def _carries(model: Any, batch: Batch) -> bool:
    """Whether a pass gives something else behind another one of the same input."""
    batch = batch.to(model.device)
    with put_back(model.net) as changed:
        first = _given(model, batch)
        if not changed():
            return False
        second = _given(model, batch)
    with put_back(model.net):
        again = _given(model, batch)
    return first == again != second


def _given(model: Any, batch: Batch) -> list[str]:
    """Hashes of all tensors that the modules of a pass give, with the same random numbers each
    time.
    """
    found: list[str] = []
    mine = within_thread()

    def note(_module: nn.Module, _args: Any, out: Any) -> None:
        if mine():
            found.extend(hashlib.sha256(plain_bytes(x)).hexdigest() for x in tensors_in(out))

    handles = [m.register_forward_hook(note) for m in model.net.modules()]
    try:
        with torch.random.fork_rng(devices=[]), evaluating(model.net), uncompiled():
            torch.manual_seed(0)
            with torch.no_grad():
                model._forward(batch, Pass(len(batch), batch.lengths), {}, whole=True)
    finally:
        for handle in handles:
            handle.remove()
    return found


@contextmanager
def put_back(net: nn.Module) -> Iterator[Callable[[], bool]]:
    """A block after which the buffers and attributes of a network's modules are as before it,
    whatever was raised; it gives what says whether they have changed since.
    """
    kept = _Kept()
    for module in list(net.modules()):
        kept.take(module._buffers)
        kept.take(module.__dict__, without=_HOOKS)
    try:
        yield kept.changed
    finally:
        kept.restore()


class _Kept:
    """Tensors, containers and objects as they were."""

    def __init__(self) -> None:
        self._seen: dict[int, Any] = {}
        self._tensors: list[tuple[Tensor, Tensor]] = []
        self._held: list[tuple[Any, Any, frozenset[str]]] = []

    def take(self, value: Any, without: frozenset[str] = frozenset(), depth: int = _DEPTH) -> None:
        """Copy a value, and what lies in it."""
        if isinstance(value, (nn.Module, type, str, int, float)) or not depth:
            return
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        inside: list[Any] = []
        if isinstance(value, Tensor):
            if value.layout is torch.strided and not (value.is_meta or value.is_quantized):
                self._tensors.append((value, value.detach().clone()))
        elif isinstance(value, dict):
            copied = {k: v for k, v in value.items() if k not in without}
            self._held.append((value, copied, without))
            inside = list(copied.values())
        elif isinstance(value, (list, set, deque)):
            self._held.append((value, list(value), without))
            inside = list(value)
        elif isinstance(value, tuple):
            inside = list(value)
        elif hasattr(value, "__dict__") and not callable(value) and _followed(value):
            inside = [value.__dict__]
        for one in inside:
            self.take(one, depth=depth - 1)

    def changed(self) -> bool:
        """Whether anything is other than it was."""
        return any(not _same(x, copy) for x, copy in self._tensors) or any(
            not _alike(value, copied, without) for value, copied, without in self._held
        )

    def restore(self) -> None:
        """Everything as it was."""
        with torch.no_grad():
            for x, copy in self._tensors:
                if not _same(x, copy):
                    x.copy_(copy)
        for value, copied, without in self._held:
            if _alike(value, copied, without):
                continue
            if isinstance(value, dict):
                for name in [k for k in value if k not in copied and k not in without]:
                    del value[name]
                value.update(copied)
            else:
                value.clear()
                (value.update if isinstance(value, set) else value.extend)(copied)


def _same(x: Tensor, copy: Tensor) -> bool:
    if x.shape != copy.shape:
        return False
    return torch.equal(x, copy) or plain_bytes(x) == plain_bytes(copy)  # NaN is what it was, too


def _alike(value: Any, copied: Any, without: frozenset[str]) -> bool:
    """Whether a container holds what it held, the same objects in the same places."""
    if isinstance(value, dict):
        now = {k: v for k, v in value.items() if k not in without}
        return now.keys() == copied.keys() and all(_is(now[k], v) for k, v in copied.items())
    return len(value) == len(copied) and all(map(_is, value, copied))


def _is(one: Any, other: Any) -> bool:
    numbers = (bool, int, float, str)
    return one is other or (type(one) is type(other) and isinstance(one, numbers) and one == other)


def _followed(value: Any) -> bool:
    """Whether an object may be state: the user's own, or a cache of transformers."""
    kind = type(value)
    return kind.__module__ == "transformers.cache_utils" or not packaged(kind)
