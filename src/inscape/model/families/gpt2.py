"""GPT-2: pre-norm blocks, q, k and v fused one after another."""

from __future__ import annotations

from inscape.model.family import Family, Tap

FAMILY = Family(
    name="gpt2",
    model_types=("gpt2",),
    blocks="h",
    final_norm="ln_f",
    head="lm_head",
    act="mlp.act",
    points={
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("ln_1"),
        "q": Tap("attn.c_attn", layout="first third"),
        "k": Tap("attn.c_attn", layout="second third"),
        "v": Tap("attn.c_attn", layout="third third"),
        "pattern": Tap("attn", index=1, editable=False),
        "z": Tap("attn.c_proj", "in"),
        "attn_out": Tap("attn.c_proj"),
        "resid_mid": Tap("ln_2", "in", editable=False),
        "mlp_in": Tap("ln_2"),
        "mlp_pre": Tap("mlp.c_fc"),
        "mlp_act": Tap("mlp.c_proj", "in"),
        "mlp_out": Tap("mlp.c_proj"),
        "resid_post": Tap(""),
    },
)
