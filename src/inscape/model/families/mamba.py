"""Mamba: blocks of one state-space mixer each, without attention or MLP."""

from __future__ import annotations

from inscape.model.family import Family, Tap

FAMILY = Family(
    name="mamba",
    model_types=("mamba",),
    blocks="layers",
    final_norm="norm_f",
    head="lm_head",
    packed=False,
    states="resid_post",
    points={
        "resid_pre": Tap("", "in"),
        "mixer_in": Tap("norm"),
        "conv_in": Tap("mixer.in_proj", layout="first half"),
        "gate": Tap("mixer.in_proj", layout="second half"),
        "ssm_in": Tap("mixer.x_proj", "in", editable=False),
        "mixer_act": Tap("mixer.out_proj", "in"),
        "mixer_out": Tap("mixer.out_proj"),
        "resid_post": Tap(""),
    },
)
