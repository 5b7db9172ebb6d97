"""OPT: a decoder with learned positions; norms before the layers (after them in OPT-350m)."""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap

_POINTS = {
    "resid_pre": Tap("", "in"),
    "attn_in": Tap("self_attn_layer_norm"),
    "q": Tap("self_attn.q_proj"),
    "k": Tap("self_attn.k_proj"),
    "v": Tap("self_attn.v_proj"),
    "pattern": Tap("self_attn", index=1, editable=False),
    "z": Tap("self_attn.out_proj", "in"),
    "attn_out": Tap("self_attn.out_proj"),
    "resid_mid": Tap("final_layer_norm", "in", editable=False),
    "mlp_in": Tap("final_layer_norm"),
    "mlp_pre": Tap("fc1"),
    "mlp_act": Tap("fc2", "in"),
    "mlp_out": Tap("fc2"),
    "resid_post": Tap(""),
}


def _norms_after(config: Any) -> dict[str, Any]:
    narrow = config.word_embed_proj_dim != config.hidden_size
    after = {"after": "decoder.project_out"} if narrow else {}
    if config.do_layer_norm_before:
        return after | ({} if not config._remove_final_layer_norm else {"final_norm": ""})
    points = {p: t for p, t in _POINTS.items() if p not in ("attn_in", "mlp_in", "resid_mid")}
    points["resid_mid"] = Tap("self_attn_layer_norm")
    return {
        "points": points,
        "residual": "post-norm",
        "norms": ("self_attn_layer_norm", "final_layer_norm"),
        "final_norm": "",
        **after,
    }


FAMILY = Family(
    name="opt",
    model_types=("opt",),
    blocks="decoder.layers",
    final_norm="decoder.final_layer_norm",
    head="lm_head",
    act="activation_fn",
    points=_POINTS,
    adjust=_norms_after,
)
