"""OLMo 2 and 3, EXAONE 4: norms only after attention and MLP, so both read the residual stream
itself.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in LLAMA.points.items() if p not in ("attn_in", "mlp_in")}


def _normed(config: Any) -> dict[str, Any]:
    """Queries and keys are taken after their own norm: of all heads together, of each head in
    EXAONE.
    """
    layout = "heads first" if config.model_type == "exaone4" else "whole"
    own = {p: Tap(f"self_attn.{p}_norm", layout=layout) for p in ("q", "k")}
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="olmo2",
    model_types=("olmo2", "olmo3", "exaone4"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    points={
        **_POINTS,
        "attn_out": Tap("post_attention_layernorm"),
        "resid_mid": Tap("mlp", "in", editable=False),
        "mlp_out": Tap("post_feedforward_layernorm"),
    },
    adjust=_normed,
)
