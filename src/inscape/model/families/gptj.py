"""GPT-J: attention and MLP in parallel after one norm, rotary encoding inside the attention."""

from __future__ import annotations

from inscape.model.families.gpt2 import FAMILY as GPT2
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in GPT2.points.items() if p != "resid_mid"}

FAMILY = Family(
    name="gptj",
    model_types=("gptj",),
    blocks="h",
    final_norm="ln_f",
    head="lm_head",
    act="mlp.act",
    rotation="position_ids",
    points={
        **_POINTS,
        "q": Tap("attn.q_proj"),
        "k": Tap("attn.k_proj"),
        "v": Tap("attn.v_proj"),
        "z": Tap("attn.out_proj", "in"),
        "attn_out": Tap("attn.out_proj"),
        "mlp_in": Tap("ln_1"),
        "mlp_pre": Tap("mlp.fc_in"),
        "mlp_act": Tap("mlp.fc_out", "in"),
        "mlp_out": Tap("mlp.fc_out"),
    },
)
