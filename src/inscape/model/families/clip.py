"""CLIP's and SigLIP's tower for images: a vision transformer; SigLIP's last norm reads every
position.
"""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap


def _normed(config: Any) -> dict[str, Any]:
    """CLIP's last norm reads the class token alone, so it is none of the stream's."""
    return {"final_norm": "post_layernorm"} if config.model_type.startswith("siglip") else {}


FAMILY = Family(
    name="clip",
    model_types=("clip", "clip_vision_model", "siglip", "siglip_vision_model"),
    tower="image",
    kind="image",
    body="vision_model",
    blocks="encoder.layers",
    head="classifier",
    causal=False,
    act="mlp.activation_fn",
    scale="scale",
    points={
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("layer_norm1"),
        "q": Tap("self_attn.q_proj"),
        "k": Tap("self_attn.k_proj"),
        "v": Tap("self_attn.v_proj"),
        "pattern": Tap("self_attn", index=1, editable=False),
        "z": Tap("self_attn.out_proj", "in"),
        "attn_out": Tap("self_attn.out_proj"),
        "resid_mid": Tap("layer_norm2", "in", editable=False),
        "mlp_in": Tap("layer_norm2"),
        "mlp_pre": Tap("mlp.fc1"),
        "mlp_act": Tap("mlp.fc2", "in"),
        "mlp_out": Tap("mlp.fc2"),
        "resid_post": Tap(""),
    },
    adjust=_normed,
)
