"""Blocks compiled by `torch.compile`, for passes that look at what enters and leaves blocks and at
nothing inside them.

Compiled code does not look for hooks that are placed after it was made. So the ``forward`` of each
block is compiled, and the block is called as before, with the hooks that stand on it. A pass that
captures or edits inside a block runs as it is written, and so does one through blocks in which
hooks of the user's own stand, or in which gradients are asked for.

What is compiled gives other rounding. It is measured once, before it is used, against what is
written:

    max over residual sites and positions of ‖compiled − written‖ / ‖written‖ ≤ the certificate's tolerance

Cost: compiling, a quarter of a minute to some minutes, at the first passes; blocks of equal code
share it. Reference: "regional compilation" in the documentation of PyTorch 2.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from inscape.core.errors import InscapeError, ModelError
from inscape.core.foreign import reason
from inscape.core.site import Site
from inscape.model.invocation import invocation
from inscape.model.item import difference

if TYPE_CHECKING:
    from inscape.model.model import Model


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

    def serves(self, model: Model, sites: Sequence[Site]) -> bool:
        """Whether a pass that captures or edits at these sites gives by compiled blocks what it
        gives as written.
        """
        if any(model.atlas.place(site).module in self.inside for site in sites):
            return False
        if invocation(model.net):
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
                block.forward = self.forwards[block]  # type: ignore[method-assign]
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


def compiled_blocks(model: Model, backend: Any = "inductor") -> CompiledBlocks:
    """Compile a model's blocks and measure them; `Model.compiled` is where it is put to use.

    Args:
        model: of a known family.
        backend: torch.compile's, by name or as a function.

    Raises:
        ModelError: no family is known, nothing can be compiled here, or what was compiled gives
            other numbers.
    """
    from inscape.model.checks import TOLERANCE, examples_of

    if model.family is None:
        raise ModelError(
            f"{model.name} is of no known family, so its blocks are not known; open it without "
            "compile"
        )
    blocks = list(dict.fromkeys(model.atlas.blocks))
    inside = frozenset(m for block in blocks for m in block.modules()) - set(blocks)
    forwards = {
        block: torch.compile(block.forward, backend=backend, dynamic=True) for block in blocks
    }
    made = CompiledBlocks(backend, forwards, inside)
    sites = [s for s in model.sites if s.point in ("embed", "resid_post")]
    if not made.serves(model, sites):
        held = "an adapter that waits for tokens" if invocation(model.net) else "hooks of its own"
        raise ModelError(
            f"{model.name} has {held} in its blocks, which compiled code would not call; open it "
            "without compile"
        )
    gap = 0.0
    for batch in examples_of(model):
        model.compiled = None
        written = model.run(batch, sites)
        model.compiled = made
        try:
            found = model.run(batch, sites)
        except InscapeError:
            raise
        except Exception as error:  # whatever a compiler says: there may be none on this machine
            raise ModelError(
                f"{model.name} cannot be compiled here ({reason(error)}); open it without compile"
            ) from error
        finally:
            model.compiled = None
        gap = max(gap, *(difference(found[s], written[s]) for s in sites))
    tolerance = TOLERANCE.get(model.dtype, 1e-4)
    if gap > tolerance:
        raise ModelError(
            f"compiled, {model.name} gives other numbers (off by {gap:.2g}, and {tolerance:.2g} is "
            "allowed); open it without compile"
        )
    return CompiledBlocks(backend, forwards, inside, gap)
