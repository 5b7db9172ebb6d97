"""wav2vec 2.0, HuBERT and UniSpeech: convolutions over raw sound, then an encoder, norms after each
part or before it.
"""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap

_POINTS = {
    "resid_pre": Tap("", "in"),
    "q": Tap("attention.q_proj"),
    "k": Tap("attention.k_proj"),
    "v": Tap("attention.v_proj"),
    "pattern": Tap("attention", index=1, editable=False),
    "z": Tap("attention.out_proj", "in"),
    "attn_out": Tap("attention.out_proj"),
    "resid_mid": Tap("layer_norm"),
    "mlp_pre": Tap("feed_forward.intermediate_dense"),
    "mlp_act": Tap("feed_forward.output_dense", "in"),
    "mlp_out": Tap("feed_forward.output_dense"),
    "resid_post": Tap(""),
}


def _norms_first(config: Any) -> dict[str, Any]:
    if not config.do_stable_layer_norm:
        return {}
    first = {
        "attn_in": Tap("layer_norm"),
        "resid_mid": Tap("final_layer_norm", "in", editable=False),
        "mlp_in": Tap("final_layer_norm"),
    }
    points = {**_POINTS, **first}
    return {
        "points": points,
        "residual": "sum",
        "norms": (),
        "final_norm": "encoder.layer_norm",
    }


FAMILY = Family(
    name="wav2vec2",
    model_types=("wav2vec2", "hubert", "unispeech", "unispeech-sat"),
    kind="audio",
    blocks="encoder.layers",
    residual="post-norm",
    norms=("layer_norm", "final_layer_norm"),
    causal=False,
    act="feed_forward.intermediate_act_fn",
    points=_POINTS,
    adjust=_norms_first,
)
