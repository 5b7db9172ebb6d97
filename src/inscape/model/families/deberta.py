"""DeBERTa 2 and 3: scores depend on content and distance together, so q and k alone do not make
them and are absent.
"""

from __future__ import annotations

from inscape.model.families.bert import FAMILY as BERT
from inscape.model.family import Family, Tap

_POINTS = {p: tap for p, tap in BERT.points.items() if p not in ("q", "k")}

FAMILY = Family(
    name="deberta",
    model_types=("deberta-v2",),
    blocks="encoder.layer",
    residual="post-norm",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    causal=False,
    asked=True,
    act="intermediate.intermediate_act_fn",
    points={**_POINTS, "v": Tap("attention.self.value_proj")},
)
