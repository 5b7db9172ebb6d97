"""Whisper's decoder: tokens that attend to themselves, then to the encoder's frames of sound."""

from __future__ import annotations

from inscape.model.families.bart_decoder import FAMILY as BART
from inscape.model.family import Family

FAMILY = Family(
    name="whisper_decoder",
    model_types=("whisper",),
    tower="decoder",
    decoder=True,
    kind="audio",
    body="decoder",
    blocks="layers",
    final_norm="layer_norm",
    head="proj_out",
    packed=False,
    act="activation_fn",
    heads="decoder_attention_heads",
    points=BART.points,
)
