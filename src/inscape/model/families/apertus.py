"""Apertus: no gate, queries and keys after a norm of each head, norms under names of their own."""

from __future__ import annotations

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="apertus",
    model_types=("apertus",),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    points={
        **LLAMA.points,
        "attn_in": Tap("attention_layernorm"),
        "q": Tap("self_attn.q_norm", layout="heads first"),
        "k": Tap("self_attn.k_norm", layout="heads first"),
        "resid_mid": Tap("feedforward_layernorm", "in", editable=False),
        "mlp_in": Tap("feedforward_layernorm"),
        "mlp_pre": Tap("mlp.up_proj"),
    },
)
