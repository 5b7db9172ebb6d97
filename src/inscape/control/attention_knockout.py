"""Attention knockout: what a prediction loses when some positions may not look at others.

In chosen layers the attention scores from queries Q to keys K are set to minus infinity before the
softmax, so the other keys share the weight:

    A'[q, k] = 0 for q ∈ Q, k ∈ K        A'[q, k] = A[q, k] / Σ_{k' ∉ K} A[q, k'] elsewhere in those rows

Attention patterns are no tensor that an edit could change (fused kernels never make them), so the
mask that the network hands to its attention is changed instead, by a hook that lives inside a
block. A query that would be left with nothing to look at is refused. Cost: the pass, with an
explicit mask.

Reference: Geva et al. (2023), Dissecting recall of factual associations, arXiv:2304.14767, §4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.within_thread import own_hook


@contextmanager
def attention_knockout(
    model: Model,
    layers: Sequence[int],
    queries: Bool[Tensor, "batch positions"],
    keys: Bool[Tensor, "_ _"],
) -> Iterator[None]:
    """A block in which, in those layers, no query position attends to a key position of its own
    example, in this thread.

    Args:
        model: a transformer with attention patterns; whole prompts are run in the block, not single
            tokens.
        layers: which blocks.
        queries: positions that are cut off.
        keys: positions that they may not look at.

    Raises:
        ModelError: no attention in this model, or one whose mask cannot be reached.
        ValueError: a query would have nothing left to look at, or shapes that differ.
    """
    if queries.shape != keys.shape:
        raise ValueError(
            "attention_knockout: queries and keys must have one shape, got "
            f"{tuple(queries.shape)}, {tuple(keys.shape)}"
        )
    if model.family is None or "pattern" not in model.family.points:
        raise ModelError(
            f"{model.name} has no attention whose mask could be changed; choose a transformer"
        )
    causal = model.family.causal
    size = queries.shape[1]
    seen = (
        torch.ones(size, size, dtype=torch.bool).tril()
        if causal
        else torch.ones(size, size, dtype=torch.bool)
    )
    blocked = queries[:, :, None] & keys[:, None, :]
    if not (seen & ~blocked).any(dim=2).all():
        raise ValueError(
            "attention_knockout: a query would have no position left to look at; leave it one of "
            "its keys"
        )
    shut = (blocked | ~seen)[:, None].to(model.device)

    def before(
        _module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if "attention_mask" not in kwargs:
            raise ModelError(
                f"the attention of {model.name} is not handed a mask, so it cannot be knocked out"
            )
        return args, {
            **kwargs,
            "attention_mask": _added(kwargs["attention_mask"], shut, model.dtype),
        }

    places = [model.atlas.place(Site("pattern", layer)) for layer in layers]
    if any(place.calls > 1 for place in places):
        raise ModelError(
            f"the blocks of {model.name} share one attention, so it cannot be knocked out in some "
            "of them"
        )
    modules = [place.module for place in places]
    handles = [
        module.register_forward_pre_hook(own_hook(before, backward=True), with_kwargs=True)
        for module in modules
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _added(mask: Tensor | None, shut: Tensor, dtype: torch.dtype) -> Tensor:
    """The network's own mask with more shut, as what is added to the scores."""
    least = torch.finfo(dtype).min
    own = torch.zeros((), dtype=dtype, device=shut.device)
    if mask is not None:
        own = (
            mask
            if mask.is_floating_point()
            else torch.zeros_like(mask, dtype=dtype).masked_fill(~mask.bool(), least)
        )
    return own.expand(torch.broadcast_shapes(own.shape, shut.shape)).masked_fill(shut, least)
