"""Granite with experts: what each part adds is multiplied, and the MLP has no neurons of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from inscape.model.families.experts import FAMILY as EXPERTS
from inscape.model.family import Family, Tap


def _multiplied(config: Any) -> dict[str, Any]:
    added = {
        p: replace(FAMILY.points[p], factor=config.residual_multiplier)
        for p in ("attn_out", "mlp_out")
    }
    return {"points": {**FAMILY.points, **added}}


FAMILY = Family(
    name="granitemoe",
    model_types=("granitemoe",),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    points={**EXPERTS.points, "mlp_out": Tap("block_sparse_moe")},
    adjust=_multiplied,
)
