"""Mixtures of experts on a Llama: the MLP is a sum over routed experts, so it has no neurons of its
own.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in LLAMA.points.items() if p not in ("mlp_pre", "mlp_act")}


def _normed(config: Any) -> dict[str, Any]:
    """Queries and keys are taken after their own norm: of each head in Qwen3, of all heads together
    in OLMoE.
    """
    layouts = {"qwen3_moe": "apart", "olmoe": "whole"}
    layout = layouts.get(config.model_type)
    if layout is None:
        return {}
    own = {p: Tap(f"self_attn.{p}_norm", layout=layout) for p in ("q", "k")}
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="experts",
    model_types=("mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "gpt_oss"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    points={**_POINTS, "mlp_out": Tap("mlp")},
    adjust=_normed,
)
