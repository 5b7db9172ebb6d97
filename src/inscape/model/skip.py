"""Passes that begin in the middle: blocks before a layer hand on what they are given.

Where many passes differ only from some layer on (every cell of a patching map, every strength of an
edit), what lies before is computed once and put in with an edit at ``resid_pre`` of that layer. The
blocks are untouched: an attribute of the instance shadows their `forward` inside the block of code,
and is gone after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from inscape.core.edit import Replace, Scope
from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.within_thread import own_forward


@contextmanager
def begun_at(model: Model, layer: int, stream: Tensor) -> Iterator[None]:
    """Inside, `model.run` computes nothing before block `layer`, which is given `stream`; other
    threads compute everything.

    Args:
        model: a causal language model; its input ids still give the batch's size and positions.
        layer: the first block that is computed.
        stream: ``resid_pre`` of that layer for the batch to be run, (batch, positions, d).

    Raises:
        ModelError: not a causal language model, or no such layer.
    """
    if model.family is None or not model.family.autoregressive:
        raise ModelError(
            f"{model.name}: only the blocks of a causal language model can be passed over"
        )
    blocks = model.atlas.blocks
    if not 0 <= layer < len(blocks):
        raise ModelError(f"{model.name} has blocks 0 to {len(blocks) - 1}, not {layer}")
    passed = blocks[:layer]
    try:
        for block in passed:
            block.forward = own_forward(block, _hand_on)  # type: ignore[method-assign]
        with model.edited(Replace(Scope(f"resid_pre.{layer}"), stream)):
            yield
    finally:
        for block in passed:
            block.__dict__.pop("forward", None)


def _hand_on(hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden_states
