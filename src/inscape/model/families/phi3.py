"""Phi 3 and 4: a Llama with q, k and v in one projection, and gate and up in another."""

from __future__ import annotations

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="phi3",
    model_types=("phi3",),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.activation_fn",
    up=Tap("mlp.gate_up_proj", layout="second half"),
    points={
        **LLAMA.points,
        "q": Tap("self_attn.qkv_proj", layout="split q"),
        "k": Tap("self_attn.qkv_proj", layout="split k"),
        "v": Tap("self_attn.qkv_proj", layout="split v"),
        "mlp_pre": Tap("mlp.gate_up_proj", layout="first half"),
    },
)
