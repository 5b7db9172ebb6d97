"""Phi 1, 1.5 and 2: attention and MLP in parallel after one norm."""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in LLAMA.points.items() if p != "resid_mid"}


def _normed(config: Any) -> dict[str, Any]:
    if not config.qk_layernorm:
        return {}
    own = {p: Tap(f"self_attn.{p}_layernorm", layout="heads first") for p in ("q", "k")}
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="phi",
    model_types=("phi",),
    blocks="layers",
    final_norm="final_layernorm",
    head="lm_head",
    act="mlp.activation_fn",
    points={
        **_POINTS,
        "z": Tap("self_attn.dense", "in"),
        "attn_out": Tap("self_attn.dense"),
        "mlp_in": Tap("input_layernorm"),
        "mlp_pre": Tap("mlp.fc1"),
        "mlp_act": Tap("mlp.fc2", "in"),
        "mlp_out": Tap("mlp.fc2"),
    },
    adjust=_normed,
)
