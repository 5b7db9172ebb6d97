"""DINOv2: a vision transformer that multiplies what each part adds by a learnt vector."""

from __future__ import annotations

from inscape.model.families.vit import FAMILY as VIT
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="dinov2",
    model_types=("dinov2", "dinov2_with_registers"),
    kind="image",
    blocks="encoder.layer",
    final_norm="layernorm",
    causal=False,
    act="mlp.activation_fn",
    points={
        **VIT.points,
        "attn_in": Tap("norm1"),
        "attn_out": Tap("layer_scale1"),
        "resid_mid": Tap("norm2", "in", editable=False),
        "mlp_in": Tap("norm2"),
        "mlp_out": Tap("layer_scale2"),
    },
)
