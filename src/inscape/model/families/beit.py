"""BEiT: a vision transformer with a bias by distance, which multiplies what each part adds by a
learnt vector.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.vit import FAMILY as VIT
from inscape.model.family import Family, Tap


def _variants(config: Any) -> dict[str, Any]:
    bias = config.use_relative_position_bias or config.use_shared_relative_position_bias
    return {"bias": bias} | ({"final_norm": ""} if config.use_mean_pooling else {})


FAMILY = Family(
    name="beit",
    model_types=("beit",),
    kind="image",
    blocks="layers",
    final_norm="layernorm",
    head="classifier",
    causal=False,
    act="mlp.activation_fn",
    points={
        **VIT.points,
        "attn_out": Tap("attention.o_proj", factor="lambda_1"),
        "mlp_out": Tap("mlp.fc2", factor="lambda_2"),
    },
    adjust=_variants,
)
