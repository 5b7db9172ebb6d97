"""What a block of code places on a network acts in the thread that entered it, and nowhere else.

Hooks and replaced forwards stand on the network, which other threads may be running at the same
time: to them it is the network as it was.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import torch


def within_thread() -> Callable[[], bool]:
    """What tells whether it is called in the thread that made it, and not by a pass of another one
    through the same network.
    """
    caller = threading.get_ident()
    return lambda: threading.get_ident() == caller


def in_backward() -> bool:
    """Whether derivatives are being taken, for which checkpointing computes a part again."""
    return bool(torch._C._current_graph_task_id() != -1)


def own_hook(hook: Callable[..., Any], backward: bool = False) -> Callable[..., Any]:
    """A hook of a module, before or behind its forward, that does nothing in another thread.

    Args:
        hook: as PyTorch takes it; what gives None changes nothing.
        backward: whether it acts as well where a thread of autograd's computes a checkpointed part
            again, as it does on other devices than the CPU.
    """
    mine = within_thread()

    def act(*args: Any) -> Any:
        if mine() or (backward and in_backward() and _of_autograd()):
            return hook(*args)
        return None

    return act


def own_forward(module: torch.nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
    """A forward to put in the place of a module's, which in another thread is the module's own."""
    mine, before = within_thread(), module.forward

    @functools.wraps(before)  # its signature says what it reads
    def act(*args: Any, **kwargs: Any) -> Any:
        return (forward if mine() else before)(*args, **kwargs)

    return act


def _of_autograd() -> bool:
    """Whether Python did not start this thread."""
    return threading.get_ident() not in {t.ident for t in threading.enumerate()}
