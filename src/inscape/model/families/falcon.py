"""Falcon: q, k and v fused by groups of heads; one norm or two before attention and MLP, in
parallel or in turn.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.neox import FAMILY as NEOX
from inscape.model.family import Family, Tap

_SCORED = ("attn_in", "q", "k", "v", "pattern")


def _variants(config: Any) -> dict[str, Any]:
    points = dict(FAMILY.points)
    if config.new_decoder_architecture or config.parallel_attn:
        del points["resid_mid"]
        two = config.new_decoder_architecture and config.num_ln_in_parallel_attn in (None, 2)
        points["attn_in"] = Tap("ln_attn" if two else "input_layernorm")
        points["mlp_in"] = Tap("ln_mlp" if two else "input_layernorm")
    if config.alibi:
        # where transformers gives the weights of such a checkpoint, it has added its bias twice:
        # nothing vouches for them
        points = {p: tap for p, tap in points.items() if p not in _SCORED}
    groups = config.num_attention_heads if not config.multi_query else 1
    if config.new_decoder_architecture:
        groups = config.num_kv_heads
    return {"points": points, "groups": groups, "bias": config.alibi, "packed": not config.alibi}


FAMILY = Family(
    name="falcon",
    model_types=("falcon",),
    blocks="h",
    final_norm="ln_f",
    head="lm_head",
    act="mlp.act",
    points={
        **NEOX.points,
        "q": Tap("self_attention.query_key_value", layout="group q"),
        "k": Tap("self_attention.query_key_value", layout="group k"),
        "v": Tap("self_attention.query_key_value", layout="group v"),
        "pattern": Tap("self_attention", index=1, editable=False),
        "z": Tap("self_attention.dense", "in"),
        "attn_out": Tap("self_attention.dense"),
    },
    adjust=_variants,
)
