"""Mamba 2: a Mamba whose channels stand in heads, with a norm after the gate."""

from __future__ import annotations

from typing import Any

from inscape.model.families.mamba import FAMILY as MAMBA
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in MAMBA.points.items() if p != "ssm_in"}


def _widths(config: Any) -> dict[str, Any]:
    """One projection makes the gate, what the convolution reads, and the steps."""
    inner = int(config.expand * config.hidden_size)
    wide = inner + 2 * config.n_groups * config.state_size
    own = {
        "gate": Tap("mixer.in_proj", span=(0, inner)),
        "conv_in": Tap("mixer.in_proj", span=(inner, inner + wide)),
    }
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="mamba2",
    model_types=("mamba2",),
    blocks="layers",
    final_norm="norm_f",
    head="lm_head",
    packed=False,
    states="resid_post",
    points={**_POINTS, "ssm_out": Tap("mixer.norm", "in")},
    adjust=_widths,
)
