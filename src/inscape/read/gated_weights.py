"""The weight vectors of a model's gated neurons as directions in its residual stream.

What reads the stream does so through a norm, whose gain g is folded in: w_in ← g ⊙ w_in and w_gate ← g ⊙ w_gate. Where a
norm follows the MLP (sandwich norms), its gain scales what is written: w_out ← g′ ⊙ w_out. Cost: the weights, once, in
float32 or wider; no forward pass.

Reference: Gerstner and Schütze (2025), arXiv:2505.17936, §3, for the folding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor, nn

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.detach import gated
from inscape.model.model import Model
from inscape.model.norms import gain, is_norm
from inscape.read.gated_neurons import GatedWeights


def gated_weights(model: Model) -> Iterator[tuple[int, GatedWeights]]:
    """Layer and weights, layer by layer.

    Raises:
        ModelError: the model's MLPs are not gated, or its gate has no branch beside it.
    """
    if not gated(model):
        raise ModelError(
            f"{model.name} has no gated MLPs (gate, up and down projections), so no neuron has three vectors"
        )
    for layer, block in enumerate(model.atlas.blocks):
        assert model.family is not None
        path = model.family.points["mlp_pre"].path
        gate = block.get_submodule(path)
        up = _beside(block, path)
        down = model.atlas.place(Site("mlp_act", layer)).module
        before = _gain(model, Site("mlp_in", layer))
        after = _gain(model, Site("mlp_out", layer))
        yield (
            layer,
            GatedWeights(
                _array(up.weight) * before,
                _array(gate.weight) * before,
                np.ascontiguousarray(_array(down.weight).T) * after,
            ),
        )


def _beside(block: nn.Module, path: str) -> nn.Module:
    try:
        return block.get_submodule(path.replace("gate_proj", "up_proj"))
    except AttributeError as error:
        raise ModelError(
            f"there is no up projection beside {path!r}; its MLP is gated in another way"
        ) from error


def _gain(model: Model, site: Site) -> np.ndarray:
    """The gain of the norm that makes a site; one where none does."""
    module = model.atlas.place(site).module
    return _array(gain(module)) if is_norm(module) else np.ones(1, dtype=np.float32)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().float().cpu().numpy()
