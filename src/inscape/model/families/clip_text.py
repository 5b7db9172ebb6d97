"""CLIP's and SigLIP's tower for texts: built like the tower for images; SigLIP's tokens see both
ways.
"""

from __future__ import annotations

from typing import Any

from inscape.model.families.clip import FAMILY as CLIP
from inscape.model.family import Family


def _both_ways(config: Any) -> dict[str, Any]:
    return {"causal": False} if config.model_type.startswith("siglip") else {}


FAMILY = Family(
    name="clip_text",
    model_types=("clip", "clip_text_model", "siglip", "siglip_text_model"),
    tower="text",
    body="text_model",
    blocks="encoder.layers",
    final_norm="final_layer_norm",
    packed=False,
    act="mlp.activation_fn",
    scale="scale",
    points=CLIP.points,
    adjust=_both_ways,
)
