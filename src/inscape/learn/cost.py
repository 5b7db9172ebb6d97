"""What does a piece of PyTorch code cost: floating-point operations, peak memory, seconds?

    flops     2 m n k for each matrix product, likewise convolutions and fused attention
    memory    largest total size, at any one time, of the tensors that the code made
    seconds   wall time of one run, without the counting

FLOPs and memory are counted from the operations that PyTorch dispatches, so they are the same on
every machine. Elementwise work is no FLOP here, memory that the code was given is not counted, and
scratch space inside one operation is not seen.

Cost: two runs of the code.
Reference: `torch.utils.flop_counter`, PyTorch documentation.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Cost:
    """What one run costs.

    Attributes:
        flops: floating-point operations of matrix products, convolutions and attention.
        memory: bytes of the tensors alive at once, at most.
        seconds: wall time.
    """

    flops: int
    memory: int
    seconds: float


class _Alive(TorchDispatchMode):
    """Adds up the storages of tensors that operations return, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[int, tuple[int, Any]] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = {_address(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._add(tensor, given)
        return out

    def _add(self, tensor: torch.Tensor, given: set[int]) -> None:
        address = _address(tensor)
        # a view, or a tensor changed in place, is no new memory
        if address in self._sizes or address in given:
            return
        storage = tensor.untyped_storage()
        freed = weakref.ref(storage, lambda _: self._free(address))
        self._sizes[address] = (storage.nbytes(), freed)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)

    def _free(self, address: int) -> None:
        self.now -= self._sizes.pop(address)[0]


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def cost(work: Callable[[], Any]) -> Cost:
    """Measure one run of some code.

    Args:
        work: a function without arguments; it is called twice, and should do the same both times.

    Example:
        >>> a, b = torch.ones(10, 20), torch.ones(20, 30)
        >>> found = cost(lambda: a @ b)
        >>> found.flops, found.memory
        (12000, 1200)
    """
    counter = FlopCounterMode(display=False)
    with counter, _Alive() as alive:
        work()
    start = time.perf_counter()
    work()
    return Cost(int(counter.get_total_flops()), alive.peak, time.perf_counter() - start)
