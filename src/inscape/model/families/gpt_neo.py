"""GPT-Neo: a GPT-2 with separate q, k, v and scores that are not divided; every other layer sees a
window.
"""

from __future__ import annotations

from inscape.model.families.gpt2 import FAMILY as GPT2
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="gpt_neo",
    model_types=("gpt_neo",),
    blocks="h",
    final_norm="ln_f",
    head="lm_head",
    packed=False,
    act="mlp.act",
    scale=1.0,
    points={
        **GPT2.points,
        "q": Tap("attn.attention.q_proj"),
        "k": Tap("attn.attention.k_proj"),
        "v": Tap("attn.attention.v_proj"),
        "pattern": Tap("attn.attention", index=1, editable=False),
        "z": Tap("attn.attention.out_proj", "in"),
        "attn_out": Tap("attn.attention.out_proj"),
    },
)
