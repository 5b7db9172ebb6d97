"""GPT-BigCode (StarCoder, SantaCoder): a GPT-2 whose heads share one key and one value."""

from __future__ import annotations

from typing import Any

from inscape.model.families.gpt2 import FAMILY as GPT2
from inscape.model.family import Family, Tap


def _shared(config: Any) -> dict[str, Any]:
    layout = "split" if config.multi_query else "head"
    fused = {p: Tap("attn.c_attn", layout=f"{layout} {p}") for p in ("q", "k", "v")}  # type: ignore[arg-type]
    groups = 1 if config.multi_query else None
    return {"points": {**FAMILY.points, **fused}, "groups": groups}


FAMILY = Family(
    name="gpt_bigcode",
    model_types=("gpt_bigcode",),
    blocks="h",
    final_norm="ln_f",
    head="lm_head",
    act="mlp.act",
    points=GPT2.points,
    adjust=_shared,
)
