"""Adapters that wait for a sequence of tokens: activated LoRA, live in a network or attached to it.

    W x + b + [t ≥ s] (α / r) B (A x),   s = where the invocation tokens last begin in the example

An example without them is computed by the base alone. Generated tokens follow the prompt, so the
adapter acts on them where the prompt holds the invocation; what is generated invokes nothing.
PEFT's own layers are told s by their keyword ``alora_offsets``, which its wrapper would give them;
s is found in each example without its padding.

Cost: one comparison of each token with each invocation token.
Reference: Greenewald et al. (2025), Activated LoRA, arXiv:2504.12397; the rule is that of PEFT 0.18
and later.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from inscape.core.errors import ModelError
from inscape.model.within_thread import own_hook

if TYPE_CHECKING:
    from inscape.model.hooks import Pass

_KEY = "alora_invocation_tokens"


@dataclass
class Fed:
    """What a pass, or a generation, is fed: from where on adapters that wait for tokens act in it.

    Attributes:
        ids: token ids of the prompts, (rows, positions); None where embeddings are fed.
        lengths: real tokens of each, (rows,); None where all are.
        state: says at which position the current step begins.
        rows: which row of `ids` each row of the current step is; None where they are the same.
    """

    ids: Tensor | None
    lengths: Tensor | None
    state: Pass
    rows: Tensor | None = None

    def starts(self, invocation: tuple[int, ...]) -> Int[Tensor, " rows"]:
        """Position at which an invocation last begins in each row; beyond every position where it
        does not.

        Raises:
            ModelError: embeddings are fed, in which no token can be found.
        """
        if self.ids is None:
            raise ModelError(
                "an adapter of this model acts from its invocation tokens on, which embeddings do "
                "not show; give token ids"
            )
        found = starts(self.ids, self.lengths, invocation)
        return found if self.rows is None else found[self.rows.to(found.device)]

    def acts(self, invocation: tuple[int, ...], positions: int) -> Bool[Tensor, "rows positions"]:
        """Where an adapter acts, of so many positions that a layer sees: the last of the step."""
        at = self.starts(invocation)
        first = self.end(positions) - positions
        return torch.arange(positions, device=at.device)[None] + first >= at[:, None]

    def end(self, positions: int) -> int:
        """The position after the last of the current step, for a layer that sees so many.

        A head that is asked for the last logits alone sees fewer positions than the step has.
        """
        return max(self.state.seen, self.state.offset + positions)

    def taken(self, rows: Tensor) -> None:
        """From the next step on, the batch is these rows of what it was."""
        self.rows = rows if self.rows is None else self.rows[rows.to(self.rows.device)]


def starts(
    ids: Int[Tensor, "rows positions"], lengths: Tensor | None, invocation: tuple[int, ...]
) -> Int[Tensor, " rows"]:
    """Where a sequence of tokens last begins in each row, its padding left out; ``2**62`` where it
    does not.

    Example:
        >>> starts(torch.tensor([[7, 8, 5, 7, 8], [7, 5, 8, 7, 8]]), torch.tensor([5, 4]), (7, 8)).tolist()
        [3, 4611686018427387904]
    """
    rows, width = ids.shape
    count = width - len(invocation) + 1
    nowhere = torch.full((rows,), 2**62, device=ids.device)
    if count < 1:
        return nowhere
    begins = torch.ones(rows, count, dtype=torch.bool, device=ids.device)
    for i, token in enumerate(invocation):
        begins &= ids[:, i : i + count] == token
    position = torch.arange(count, device=ids.device)[None].expand(rows, -1)
    if lengths is not None:
        begins &= position + len(invocation) <= lengths.to(ids.device)[:, None]
    last = torch.where(begins, position, -1).amax(-1)
    return torch.where(last < 0, nowhere, last)


def invocation(net: nn.Module) -> tuple[int, ...]:
    """The tokens that the active adapter of a network waits for; none where it waits for none.

    Raises:
        ModelError: several adapters are active that wait for other tokens, or there is an encoder
            beside the decoder.
    """
    held = getattr(net, "peft_config", None)
    if not isinstance(held, dict):
        return ()
    waiting = {name: tuple(w) for name, c in held.items() if (w := getattr(c, _KEY, None))}
    if not waiting:
        return ()
    active = {name for layer in _layers(net) for name in layer.active_adapters}
    found = {waiting[name] for name in active if name in waiting}
    if len(found) > 1:
        raise ModelError(
            f"the active adapters {', '.join(sorted(active & waiting.keys()))} wait for other "
            "tokens than each other; activate one of them: set_adapter"
        )
    if found and getattr(getattr(net, "config", None), "is_encoder_decoder", False):
        raise ModelError(
            "an adapter with alora_invocation_tokens is of causal language models, and this "
            "network has an encoder beside "
            "its decoder; open the network without it: net.get_base_model()"
        )
    return next(iter(found), ())


def _layers(net: nn.Module) -> list[Any]:
    """The layers of PEFT's LoRA in a network."""
    return [m for m in net.modules() if hasattr(m, "lora_A") and hasattr(m, "active_adapters")]


_FED: ContextVar[Fed | None] = ContextVar("fed", default=None)


def fed() -> Fed | None:
    """What the pass that is running is fed; None outside of one."""
    return _FED.get()


@contextmanager
def feeding(net: nn.Module, what: Fed) -> Iterator[Fed]:
    """A block in which adapters that wait for tokens know what is fed, PEFT's own by their keyword.

    Args:
        net: whose layers may be PEFT's.
        what: of the pass or generation in the block.
    """
    waits = invocation(net)
    handles, token = [], _FED.set(what)

    def told(
        layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if args[0].ndim != 3:
            raise ModelError(
                f"an adapter with {_KEY} stands on a {type(layer).__name__} that sees "
                f"{tuple(args[0].shape)} and not (batch, positions, width), so it cannot be said "
                "where it acts; open the network without it: net.get_base_model()"
            )
        left = (what.end(args[0].shape[1]) - what.starts(waits)).tolist()
        return args, {**kwargs, "alora_offsets": [n if n > 0 else None for n in left]}

    try:
        if waits:
            handles = [
                m.register_forward_pre_hook(own_hook(told), with_kwargs=True) for m in _layers(net)
            ]
        yield what
    finally:
        for handle in handles:
            handle.remove()
        _FED.reset(token)
