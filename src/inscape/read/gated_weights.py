"""The weight vectors of a model's gated neurons as directions in its residual stream.

What reads the stream does so through a norm, whose gain g is folded in: w_in ← g ⊙ w_in and w_gate
← g ⊙ w_gate. Where a norm follows the MLP (sandwich norms), its gain scales what is written: w_out
← g′ ⊙ w_out. Cost: the weights, once, in float32 or wider; no forward pass.

Reference: Gerstner and Schütze (2025), arXiv:2505.17936, §3, for the folding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor, nn

from inscape.core.errors import ModelError
from inscape.core.site import Site
from inscape.model.detach import gated
from inscape.model.family import Tap
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
            f"{model.name} has no gated MLPs (gate, up and down projections), so no neuron has "
            "three vectors"
        )
    for layer, block in enumerate(model.atlas.blocks):
        assert model.family is not None
        assert model.family.up is not None
        gate, up = (_rows(block, t) for t in (model.family.points["mlp_pre"], model.family.up))
        down = model.atlas.place(Site("mlp_act", layer)).module
        before = _gain(model, Site("mlp_in", layer))
        after = _gain(model, Site("mlp_out", layer))
        yield (
            layer,
            GatedWeights(
                up * before,
                gate * before,
                np.ascontiguousarray(_array(down.weight).T) * after,
            ),
        )


def _rows(block: nn.Module, tap: Tap) -> np.ndarray:
    """The rows of a projection's weight that make a tap, (neurons, width)."""
    try:
        weight = _array(block.get_submodule(tap.path).weight)  # type: ignore[arg-type]
    except AttributeError as error:
        raise ModelError(f"there is no projection {tap.path!r} with a weight: {error}") from error
    if tap.layout == "whole":
        return weight
    first, second = np.split(weight, 2)
    return first if tap.layout == "first half" else second


def _gain(model: Model, site: Site) -> np.ndarray:
    """What multiplies each coordinate at a site: the gain of the norm that makes it, or what its
    part is added with.
    """
    if site not in model.atlas.order:
        return np.ones(1, dtype=np.float32)  # the MLP reads the stream itself
    place = model.atlas.place(site)
    if is_norm(place.module):
        return _array(gain(place.module))
    if "norm" in type(place.module).__name__.lower():
        raise ModelError(
            f"{model.name}: the gain of {type(place.module).__name__} is not known, so it cannot "
            "be folded in"
        )
    return np.full(1, place.view.factor, dtype=np.float32)


def _array(x: Tensor) -> np.ndarray:
    return x.detach().float().cpu().numpy()
