"""BART's decoder, and those built like it: between attention and MLP, an attention to the
encoder.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.bart import FIRST, TYPES
from inscape.model.families.opt import FAMILY as OPT
from inscape.model.family import Family, Tap

_POINTS = {
    **OPT.points,
    "resid_mid": Tap("encoder_attn_layer_norm", "in", editable=False),
    "cross_in": Tap("encoder_attn_layer_norm"),
    "cross_q": Tap("encoder_attn.q_proj"),
    "cross_k": Tap("encoder_attn.k_proj"),
    "cross_v": Tap("encoder_attn.v_proj"),
    "cross_pattern": Tap("encoder_attn", index=1, editable=False),
    "cross_z": Tap("encoder_attn.out_proj", "in"),
    "cross_out": Tap("encoder_attn.out_proj"),
    "resid_cross": Tap("final_layer_norm", "in", editable=False),
}


def _norms_after(config: Any) -> dict[str, Any]:
    if config.model_type in FIRST:
        return {}
    points = {p: t for p, t in _POINTS.items() if p not in ("attn_in", "cross_in", "mlp_in")}
    points |= {
        "resid_mid": Tap("self_attn_layer_norm"),
        "resid_cross": Tap("encoder_attn_layer_norm"),
    }
    return {
        "points": points,
        "residual": "post-norm",
        "norms": ("self_attn_layer_norm", "encoder_attn_layer_norm", "final_layer_norm"),
        "final_norm": "",
    }


FAMILY = Family(
    name="bart_decoder",
    model_types=TYPES,
    tower="decoder",
    decoder=True,
    body="decoder",
    blocks="layers",
    final_norm="layer_norm",
    head="lm_head",
    packed=False,
    act="activation_fn",
    heads="decoder_attention_heads",
    points=_POINTS,
    adjust=_norms_after,
)
