"""StableLM: a Llama with LayerNorms; attention and MLP in parallel in some checkpoints."""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap


def _variants(config: Any) -> dict[str, Any]:
    points = dict(FAMILY.points)
    if config.use_parallel_residual:
        del points["resid_mid"]
        points["mlp_in"] = Tap("input_layernorm")
    if config.qk_layernorm:
        points |= {p: Tap(f"self_attn.{p}_layernorm", layout="heads first") for p in ("q", "k")}
    return {"points": points}


FAMILY = Family(
    name="stablelm",
    model_types=("stablelm",),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    points=LLAMA.points,
    adjust=_variants,
)
