"""Granite, with or without experts: a Llama that multiplies what each part adds, and its logits, by
configured numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inscape.model.families.experts import FAMILY as EXPERTS
from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap


def _multiplied(config: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"points": dict(LLAMA.points)}
    if config.model_type == "granitemoe":
        experts = {**EXPERTS.points, "mlp_out": Tap("block_sparse_moe")}
        facts = {"points": experts, "act": "", "up": None}
    facts["points"] |= {
        p: replace(facts["points"][p], factor=config.residual_multiplier)
        for p in ("attn_out", "mlp_out")
    }
    return facts


FAMILY = Family(
    name="granite",
    model_types=("granite", "granitemoe"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    points=LLAMA.points,
    adjust=_multiplied,
)
