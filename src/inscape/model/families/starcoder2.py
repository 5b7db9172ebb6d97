"""StarCoder 2: the attention of a Llama, the MLP of a GPT-2."""

from __future__ import annotations

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="starcoder2",
    model_types=("starcoder2",),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act",
    points={
        **LLAMA.points,
        "mlp_pre": Tap("mlp.c_fc"),
        "mlp_act": Tap("mlp.c_proj", "in"),
        "mlp_out": Tap("mlp.c_proj"),
    },
)
