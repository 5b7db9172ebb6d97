"""GPT-NeoX and Pythia: attention and MLP usually in parallel, q, k and v fused per head."""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap

_POINTS = {
    "resid_pre": Tap("", "in"),
    "attn_in": Tap("input_layernorm"),
    "q": Tap("attention.query_key_value", layout="head q"),
    "k": Tap("attention.query_key_value", layout="head k"),
    "v": Tap("attention.query_key_value", layout="head v"),
    "pattern": Tap("attention", index=1, editable=False),
    "z": Tap("attention.dense", "in"),
    "attn_out": Tap("attention.dense"),
    "resid_mid": Tap("post_attention_layernorm", "in", editable=False),
    "mlp_in": Tap("post_attention_layernorm"),
    "mlp_pre": Tap("mlp.dense_h_to_4h"),
    "mlp_act": Tap("mlp.dense_4h_to_h", "in"),
    "mlp_out": Tap("mlp.dense_4h_to_h"),
    "resid_post": Tap(""),
}


def _parallel_has_no_middle(config: Any) -> dict[str, Any]:
    if not config.use_parallel_residual:
        return {}
    return {"points": {point: tap for point, tap in _POINTS.items() if point != "resid_mid"}}


FAMILY = Family(
    name="neox",
    model_types=("gpt_neox",),
    blocks="layers",
    final_norm="final_layer_norm",
    head="lm_head",
    act="mlp.act",
    points=_POINTS,
    adjust=_parallel_has_no_middle,
)
