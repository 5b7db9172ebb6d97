"""DINOv3: a DINOv2 with rotary encoding of the patches' places, and a gated MLP in the larger
sizes.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.dinov2 import FAMILY as DINOV2
from inscape.model.family import Family, Tap


def _gated(config: Any) -> dict[str, Any]:
    if not config.use_gated_mlp:
        return {}
    return {
        "points": {**FAMILY.points, "mlp_pre": Tap("mlp.gate_proj")},
        "up": Tap("mlp.up_proj"),
    }


FAMILY = Family(
    name="dinov3",
    model_types=("dinov3_vit",),
    kind="image",
    blocks="model.layer",
    final_norm="norm",
    head="classifier",
    causal=False,
    act="mlp.act_fn",
    points={
        **DINOV2.points,
        "mlp_pre": Tap("mlp.up_proj"),
        "mlp_act": Tap("mlp.down_proj", "in"),
    },
    adjust=_gated,
)
