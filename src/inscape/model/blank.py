"""The least that a network can be run on: two tokens, an image, a stretch of sound, of the sizes
its configuration names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inscape.core.errors import ModelError

#: frames of a network that reads raw sound
FRAMES = 12


def blank(model: Any, rows: int = 1, draw: torch.Generator | None = None) -> dict[str, Tensor]:
    """Inputs of a network, by name.

    Args:
        model: a model of a known family.
        rows: examples.
        draw: draws the numbers of images and sound; zeros without it.

    Raises:
        ModelError: a network of no family: what it is fed is not known.
    """
    name, config = model._main_input(), model.atlas.config
    if model.kind == "text":
        found = {"input_ids": torch.zeros(rows, 2, dtype=torch.long)}
    elif model.kind == "image":
        size = config.image_size
        high, wide = (size, size) if isinstance(size, int) else size
        found = {name: _numbers(model, (rows, config.num_channels, high, wide), draw)}
    elif model.kind == "audio" and name == "input_values":
        samples = FRAMES * int(config.inputs_to_logits_ratio) + sum(config.conv_kernel)
        found = {name: _numbers(model, (rows, samples), draw)}
    elif model.kind == "audio":
        frames = 2 * config.max_source_positions
        found = {name: _numbers(model, (rows, config.num_mel_bins, frames), draw)}
    else:
        raise ModelError(
            f"what {model.name} is fed is not known, so neither is the width of its sites; run it "
            "on an input of yours and read the shape of what it gives"
        )
    if model.family.decoder:
        found["decoder_input_ids"] = torch.zeros(rows, 2, dtype=torch.long)
    return found


def _numbers(model: Any, shape: tuple[int, ...], draw: torch.Generator | None) -> Tensor:
    x = torch.zeros(shape) if draw is None else torch.randn(shape, generator=draw)
    return x.to(device=model.device, dtype=model.dtype)
