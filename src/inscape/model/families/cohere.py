"""Command R (Cohere) and its second generation: attention and MLP in parallel after one norm,
logits multiplied.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in LLAMA.points.items() if p != "resid_mid"}


def _normed(config: Any) -> dict[str, Any]:
    if not getattr(config, "use_qk_norm", False):
        return {}
    own = {p: Tap(f"self_attn.{p}_norm", layout="apart") for p in ("q", "k")}
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="cohere",
    model_types=("cohere", "cohere2"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    points={**_POINTS, "mlp_in": Tap("input_layernorm")},
    adjust=_normed,
)
