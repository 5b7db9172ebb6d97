"""BLOOM: positions only as a bias on the scores (ALiBi); attention and MLP add the residual stream
themselves.
"""

from __future__ import annotations

from inscape.model.families.neox import FAMILY as NEOX
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="bloom",
    model_types=("bloom",),
    blocks="h",
    final_norm="ln_f",
    head="lm_head",
    packed=False,
    act="mlp.gelu_impl",
    bias=True,
    points={
        **NEOX.points,
        "q": Tap("self_attention.query_key_value", layout="head q"),
        "k": Tap("self_attention.query_key_value", layout="head k"),
        "v": Tap("self_attention.query_key_value", layout="head v"),
        "pattern": Tap("self_attention", index=1, editable=False),
        "z": Tap("self_attention.dense", "in"),
        "attn_out": Tap("self_attention.dense"),
    },
)
