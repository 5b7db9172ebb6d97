"""Raw sound of several lengths: how many frames a network makes of it, and whether padding is left
out of what it computes.

Convolutions without padding make of n samples

    frames(n) = ⌊(n − kernel) / stride⌋ + 1, one layer after another,

so a mask over samples is one over the first frames. Attention leaves out the others, but a norm
over a whole sound (the group norm of wav2vec 2.0's and HuBERT's first layer) reads its padding, and
each example is then another one in every company. Whether that is so is measured: a sound alone and
the same sound padded, under the mask.

Cost: two passes over a fraction of a second of sound, once a model.
Reference: Baevski et al. (2020), arXiv:2006.11477.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inscape.core.batch import Batch
from inscape.core.errors import ModelError
from inscape.model.blank import blank
from inscape.model.item import difference
from inscape.model.modes import evaluating

#: the input of networks that read samples, not spectra
SAMPLES = "input_values"
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-8, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def reads_samples(model: Any) -> bool:
    """Whether a model of a known family is fed samples of sound, one channel (batch, samples)."""
    return model.kind == "audio" and model._main_input() == SAMPLES


def frames(model: Any, samples: Tensor) -> Tensor:
    """How many positions a model that reads samples makes of so many, elementwise; below 1 where
    there are too few for one.
    """
    config, found = model.atlas.config, samples.long()
    for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
        found = torch.div(found - kernel, stride, rounding_mode="floor") + 1
    return found


def framed(model: Any, batch: Batch) -> Batch:
    """A batch of sound whose lengths are positions of the model's sites; None where all are real.

    Raises:
        ModelError: it is padded, and the network reads the padding.
    """
    if model.kind != "audio" or batch.lengths is None:
        return batch
    if not reads_samples(model):  # Whisper attends to every frame, whatever a mask says
        return Batch(batch.inputs, None, batch.marks)
    width = batch.inputs[SAMPLES].shape[1]
    if not bool((batch.lengths < width).any()):
        return Batch(batch.inputs, None, batch.marks)
    if "attention_mask" not in batch.inputs or _reads_padding(model):
        why = "no attention_mask is given" if "attention_mask" not in batch.inputs else _NORMS
        raise ModelError(
            f"these sounds are padded, and {model.name} would read the padding ({why}), so that an "
            "example depends on its batch; run sounds of one length together, or harvest them, "
            "which does so"
        )
    return Batch(batch.inputs, frames(model, batch.lengths), batch.marks)


_NORMS = "it is normed over a whole sound, as wav2vec2-base is"


def _reads_padding(model: Any) -> bool:
    """Whether a sound gives other frames with padding behind it, under a mask, than alone."""
    if "reads padding" not in model.notes:
        x = blank(model, 1, torch.Generator().manual_seed(0))[SAMPLES]
        mask = torch.ones(1, 2 * x.shape[1], dtype=torch.long, device=x.device)
        mask[:, x.shape[1] :] = 0
        padded = torch.cat([x, torch.zeros_like(x)], dim=1)
        with evaluating(model.net), torch.no_grad():
            alone = model.atlas.body(**{SAMPLES: x})[0]
            behind = model.atlas.body(**{SAMPLES: padded}, attention_mask=mask)[0]
        gap = difference(behind[:, : alone.shape[1]], alone)
        model.notes["reads padding"] = gap > _TOLERANCE.get(model.dtype, 1e-4)
    return bool(model.notes["reads padding"])
