"""Granite: a Llama that multiplies what each part adds, and its logits, by numbers of its configuration."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap


def _multiplied(config: Any) -> dict[str, Any]:
    added = {
        p: replace(FAMILY.points[p], factor=config.residual_multiplier)
        for p in ("attn_out", "mlp_out")
    }
    return {"points": {**FAMILY.points, **added}}


FAMILY = Family(
    name="granite",
    model_types=("granite",),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    points=LLAMA.points,
    adjust=_multiplied,
)
