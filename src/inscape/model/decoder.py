"""What a decoder beside an encoder reads: tokens of its own, of which the configuration names the
first.

Inputs are the encoder's; ``decoder_input_ids`` and ``decoder_attention_mask`` among them are the
decoder's. Where none are given there is one token, the one from which generation begins. Positions
of a decoder's sites are those of its own tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inscape.core.batch import Batch
from inscape.core.errors import ModelError
from inscape.model.registry import has

#: inputs that only a decoder reads
OWN = "decoder_"


def begun(model: Any, batch: Batch) -> Batch:
    """A batch with the decoder's tokens, and their lengths in place of the encoder's.

    Args:
        model: a model whose family is a decoder's.
        batch: what the encoder reads, with or without ``decoder_input_ids``.

    Raises:
        ModelError: the configuration names no start token, the decoder's tokens are padded on the
            left, or the batch marks positions of what the encoder reads.
    """
    if batch.marks:
        raise ModelError(
            f"marks name positions of what the encoder of {model.name} reads, and these sites are "
            "its decoder's; leave them out, or use the encoder's tower"
        )
    inputs = dict(batch.inputs)
    if f"{OWN}input_ids" not in inputs and f"{OWN}inputs_embeds" not in inputs:
        start(model, inputs, len(batch))
    mask = inputs.get(f"{OWN}attention_mask")
    if mask is None:
        return Batch(inputs, None)
    real = mask != 0
    if not bool((real[:, 1:] <= real[:, :-1]).all()) or not bool(real[:, 0].all()):
        raise ModelError(
            "the decoder's tokens are padded on the left (or its mask has holes), which shifts "
            "positions; pad on the right"
        )
    return Batch(inputs, real.sum(1))


def positions(inputs: dict[str, Tensor]) -> int:
    """How many tokens the decoder reads."""
    names = (f"{OWN}input_ids", f"{OWN}inputs_embeds")
    return next(int(inputs[name].shape[1]) for name in names if name in inputs)


def start(model: Any, inputs: dict[str, Tensor], rows: int) -> None:
    """Add the token with which a decoder begins to the inputs of a pass.

    Raises:
        ModelError: the configuration does not name one.
    """
    first = getattr(model.net.config, "decoder_start_token_id", None)
    if first is None:
        raise ModelError(
            f"{model.name} is an encoder–decoder whose configuration names no "
            "decoder_start_token_id; give "
            "decoder_input_ids with the inputs, or set net.config.decoder_start_token_id"
        )
    device = next(iter(inputs.values())).device
    inputs[f"{OWN}input_ids"] = torch.full((rows, 1), int(first), device=device)


def needs_start(model: Any, inputs: dict[str, Tensor]) -> bool:
    """Whether a whole encoder–decoder must be given its decoder's first token: many make their
    own.
    """
    config = getattr(model.net, "config", None)
    kind = str(getattr(config, "model_type", ""))
    return (
        bool(getattr(config, "is_encoder_decoder", False))
        and ("t5" in kind or kind == "whisper")
        and has(getattr(model.net, "base_model", model.net), "decoder")
        and not any(name in inputs for name in (f"{OWN}input_ids", f"{OWN}inputs_embeds", "labels"))
    )
