"""Whisper's encoder: two convolutions, then pre-norm blocks over frames of sound."""

from __future__ import annotations

from inscape.model.families.opt import FAMILY as OPT
from inscape.model.family import Family

FAMILY = Family(
    name="whisper",
    model_types=("whisper",),
    tower="encoder",
    kind="audio",
    body="encoder",
    blocks="layers",
    final_norm="layer_norm",
    causal=False,
    act="activation_fn",
    heads="encoder_attention_heads",
    points=OPT.points,
)
