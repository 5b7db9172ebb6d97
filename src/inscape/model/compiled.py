"""Blocks compiled by `torch.compile`, for passes that look at what enters and leaves blocks and at
nothing inside them.

Compiled code does not look for hooks that are placed after it was made. So the ``forward`` of each
block is compiled, and the block is called as before, with the hooks that stand on it. A pass that
captures or edits inside a block runs as it is written, and so does one through blocks in which
hooks of the user's own stand, or in which gradients are asked for.

`inscape.model.compile_blocks` makes and measures them. Reference: "regional compilation" in the
documentation of PyTorch 2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from inscape.core.site import Site
from inscape.model.invocation import invocation
from inscape.model.taps import Atlas
from inscape.model.within_thread import own_forward


@dataclass(frozen=True, eq=False)
class CompiledBlocks:
    """The compiled forwards of a network's blocks.

    Attributes:
        backend: torch.compile's.
        forwards: block → its compiled forward.
        inside: the modules within blocks.
        gap: the largest difference from what is written that was measured.
    """

    backend: Any
    forwards: dict[nn.Module, Callable[..., Any]]
    inside: frozenset[nn.Module]
    gap: float = 0.0

    def serves(self, atlas: Atlas, sites: Sequence[Site]) -> bool:
        """Whether a pass that captures or edits at these sites gives by compiled blocks what it
        gives as written.
        """
        if any(atlas.place(site).module in self.inside for site in sites):
            return False
        if invocation(atlas.net):
            return False  # its layers are told in every pass where they act
        hooks = (h for m in self.inside for d in _hooks(m) for h in d.values())
        whole = any(m._compiled_call_impl for m in (*self.inside, *self.forwards))
        return not whole and all(map(_records, hooks))

    @contextmanager
    def running(self) -> Iterator[None]:
        """A block of code in which blocks run compiled; those whose forward is replaced already
        keep what they have.
        """
        placed = [block for block in self.forwards if "forward" not in block.__dict__]
        try:
            for block in placed:
                block.forward = own_forward(block, self.forwards[block])  # type: ignore[method-assign]
            yield
        finally:
            for block in placed:
                block.__dict__.pop("forward", None)


def _hooks(module: nn.Module) -> tuple[dict[int, Any], ...]:
    return module._forward_hooks, module._forward_pre_hooks


def _records(hook: Any) -> bool:
    """Whether a hook is transformers' own, which stays where hidden states were once asked for and
    changes nothing.
    """
    while isinstance(hook, functools.partial):
        hook = hook.func
    return str(getattr(hook, "__module__", "")).startswith("transformers.")
