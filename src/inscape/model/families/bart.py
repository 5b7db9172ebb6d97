"""BART's encoder, and those built like it: norms after each part, or before it (mBART, Pegasus,
Blenderbot, M2M).
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.opt import FAMILY as OPT
from inscape.model.family import Family, Tap

#: model types of both stacks
TYPES = (
    "bart",
    "mbart",
    "pegasus",
    "marian",
    "blenderbot",
    "blenderbot-small",
    "m2m_100",
    "plbart",
)
#: those whose norms come first
FIRST = ("mbart", "pegasus", "blenderbot", "m2m_100")


def _norms_after(config: Any) -> dict[str, Any]:
    if config.model_type in FIRST:
        return {}
    points = {p: tap for p, tap in OPT.points.items() if p not in ("attn_in", "mlp_in")}
    return {
        "points": {**points, "resid_mid": Tap("self_attn_layer_norm")},
        "residual": "post-norm",
        "norms": ("self_attn_layer_norm", "final_layer_norm"),
        "final_norm": "",
    }


FAMILY = Family(
    name="bart",
    model_types=TYPES,
    tower="encoder",
    body="encoder",
    blocks="layers",
    final_norm="layer_norm",
    causal=False,
    act="activation_fn",
    heads="encoder_attention_heads",
    points=OPT.points,
    adjust=_norms_after,
)
