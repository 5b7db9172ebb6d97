"""MPNet: a BERT whose scores get a bias by distance, the same in every layer."""

from __future__ import annotations

from inscape.model.families.bert import FAMILY as BERT
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="mpnet",
    model_types=("mpnet",),
    blocks="encoder.layer",
    residual="post-norm",
    norms=("attention.LayerNorm", "output.LayerNorm"),
    causal=False,
    asked=True,
    act="intermediate.intermediate_act_fn",
    bias=True,
    points={
        **BERT.points,
        "q": Tap("attention.attn.q"),
        "k": Tap("attention.attn.k"),
        "v": Tap("attention.attn.v"),
        "pattern": Tap("attention.attn", index=1, editable=False),
        "z": Tap("attention.attn.o", "in"),
        "attn_out": Tap("attention.attn.o"),
        "resid_mid": Tap("attention.LayerNorm"),
    },
)
