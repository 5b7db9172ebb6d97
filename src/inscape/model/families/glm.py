"""GLM: a Llama with gate and up in one projection; GLM 4 has a norm after each part as well."""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap


def _sandwich(config: Any) -> dict[str, Any]:
    if config.model_type != "glm4":
        return {}
    after = {"attn_out": Tap("post_self_attn_layernorm"), "mlp_out": Tap("post_mlp_layernorm")}
    return {"points": {**FAMILY.points, **after}}


FAMILY = Family(
    name="glm",
    model_types=("glm", "glm4"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.activation_fn",
    up=Tap("mlp.gate_up_proj", layout="second half"),
    points={**LLAMA.points, "mlp_pre": Tap("mlp.gate_up_proj", layout="first half")},
    adjust=_sandwich,
)
