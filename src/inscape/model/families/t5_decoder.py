"""T5's decoder: between attention and MLP, an attention to the encoder."""

from __future__ import annotations

from typing import Any

from inscape.model.families.t5 import TYPES, gated, pattern, points
from inscape.model.family import Family, Tap

_CROSS = {
    "resid_mid": Tap("layer.1.layer_norm", "in", editable=False),
    "cross_in": Tap("layer.1.layer_norm"),
    "cross_q": Tap("layer.1.EncDecAttention.q"),
    "cross_k": Tap("layer.1.EncDecAttention.k"),
    "cross_v": Tap("layer.1.EncDecAttention.v"),
    "cross_pattern": Tap("layer.1.EncDecAttention", index=2, editable=False),
    "cross_z": Tap("layer.1.EncDecAttention.o", "in"),
    "cross_out": Tap("layer.1.EncDecAttention.o"),
    "resid_cross": Tap("layer.2.layer_norm", "in", editable=False),
}


def _gated(config: Any) -> dict[str, Any]:
    weights = Tap("layer.1.EncDecAttention", index=pattern(config), editable=False)
    own = {**points(config, "layer.2"), **_CROSS, "cross_pattern": weights}
    return gated(config, "layer.2.DenseReluDense") | {"points": own}


FAMILY = Family(
    name="t5_decoder",
    model_types=TYPES,
    tower="decoder",
    decoder=True,
    body="decoder",
    blocks="block",
    final_norm="final_layer_norm",
    head="lm_head",
    act="layer.2.DenseReluDense.act",
    scale=1.0,
    bias=True,
    packed=False,
    points={**points(None, "layer.2"), **_CROSS},
    adjust=_gated,
)
