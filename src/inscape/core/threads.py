"""Independent pieces of linear algebra side by side: one piece per thread instead of many threads
on one piece.

Decompositions of a few hundred columns gain little from a second BLAS thread, and BLAS threads that
wait for each other by spinning lose badly where the machine has other work. Folds are independent,
so each gets its own thread and BLAS keeps to its share. The budget is what BLAS was given
(``OMP_NUM_THREADS`` and the like are respected), and results do not depend on it beyond rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Out = TypeVar("Out")


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return (
        ThreadpoolController()
    )  # scanning the loaded libraries takes milliseconds; NumPy's BLAS is loaded by now


def side_by_side(work: Callable[[Item], Out], items: Sequence[Item]) -> list[Out]:
    """``[work(i) for i in items]``, several at a time; the first exception is raised.

    Args:
        work: releases the GIL most of the time (NumPy does) and writes nothing that another item
            reads.
        items: what to work on.

    Returns:
        The results, in the order of the items.
    """
    blas = _controller().select(user_api="blas")
    budget = max((library["num_threads"] for library in blas.info()), default=1)
    workers = max(1, min(budget, len(items)))
    if workers == 1:
        return [work(item) for item in items]
    with blas.limit(limits=max(1, budget // workers)), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """A block in which torch uses one thread: for nets so small that two threads mostly wait for
    each other.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
