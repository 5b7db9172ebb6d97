"""Nemotron and Arcee: a Llama whose MLP has no gate."""

from __future__ import annotations

from inscape.model.families.llama import FAMILY as LLAMA
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="ungated",
    model_types=("nemotron", "arcee"),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    points={**LLAMA.points, "mlp_pre": Tap("mlp.up_proj")},
)
