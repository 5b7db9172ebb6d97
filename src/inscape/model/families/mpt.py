"""MPT: positions only as a bias on the scores (ALiBi), no biases elsewhere."""

from __future__ import annotations

from inscape.model.family import Family, Tap

FAMILY = Family(
    name="mpt",
    model_types=("mpt",),
    blocks="blocks",
    final_norm="norm_f",
    head="lm_head",
    packed=False,
    act="ffn.act",
    scale="softmax_scale",
    bias=True,
    points={
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("norm_1"),
        "q": Tap("attn.Wqkv", layout="first third"),
        "k": Tap("attn.Wqkv", layout="second third"),
        "v": Tap("attn.Wqkv", layout="third third"),
        "pattern": Tap("attn", index=1, editable=False),
        "z": Tap("attn.out_proj", "in"),
        "attn_out": Tap("attn.out_proj"),
        "resid_mid": Tap("norm_2", "in", editable=False),
        "mlp_in": Tap("norm_2"),
        "mlp_pre": Tap("ffn.up_proj"),
        "mlp_act": Tap("ffn.down_proj", "in"),
        "mlp_out": Tap("ffn.down_proj"),
        "resid_post": Tap(""),
    },
)
