"""Persimmon: q, k and v fused per head, queries and keys after a norm of each head."""

from __future__ import annotations

from typing import Any

from inscape.model.families.neox import FAMILY as NEOX
from inscape.model.family import Family, Tap


def _unnormed(config: Any) -> dict[str, Any]:
    if config.qk_layernorm:
        return {}
    fused = {p: Tap("self_attn.query_key_value", layout=f"head {p}") for p in ("q", "k")}  # type: ignore[arg-type]
    return {"points": {**FAMILY.points, **fused}}


FAMILY = Family(
    name="persimmon",
    model_types=("persimmon",),
    blocks="layers",
    final_norm="final_layernorm",
    head="lm_head",
    act="mlp.act",
    points={
        **NEOX.points,
        "q": Tap("self_attn.q_layernorm", layout="apart"),
        "k": Tap("self_attn.k_layernorm", layout="apart"),
        "v": Tap("self_attn.query_key_value", layout="head v"),
        "pattern": Tap("self_attn", index=1, editable=False),
        "z": Tap("self_attn.dense", "in"),
        "attn_out": Tap("self_attn.dense"),
    },
    adjust=_unnormed,
)
