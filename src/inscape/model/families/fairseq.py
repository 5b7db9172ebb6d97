"""BioGPT and XGLM: decoders built like OPT, with the last norm in the body."""

from __future__ import annotations

from typing import Any

from inscape.model.families.opt import FAMILY as OPT
from inscape.model.family import Family


def _head(config: Any) -> dict[str, Any]:
    return {"head": "output_projection"} if config.model_type == "biogpt" else {}


FAMILY = Family(
    name="fairseq",
    model_types=("biogpt", "xglm"),
    blocks="layers",
    final_norm="layer_norm",
    head="lm_head",
    act="activation_fn",
    points=OPT.points,
    adjust=_head,
)
