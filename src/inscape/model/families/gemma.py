"""Gemma 2 and 3: sandwich norms, so what a layer adds is what leaves the norm *after* it."""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap


def _normed(config: Any) -> dict[str, Any]:
    """Gemma 3 has a norm on each head's queries and keys; they are taken after it."""
    if config.model_type != "gemma3_text":
        return {}
    own = {p: Tap(f"self_attn.{p}_norm", layout="heads first") for p in ("q", "k")}
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="gemma",
    model_types=("gemma2", "gemma3_text"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    adjust=_normed,
    points={
        **LLAMA.points,
        "attn_out": Tap("post_attention_layernorm"),
        "resid_mid": Tap("pre_feedforward_layernorm", "in", editable=False),
        "mlp_in": Tap("pre_feedforward_layernorm"),
        "mlp_out": Tap("post_feedforward_layernorm"),
    },
)
