"""ESM 2: an encoder of proteins; norms come first, rotary encoding."""

from __future__ import annotations

from inscape.model.families.bert import FAMILY as BERT
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="esm",
    model_types=("esm",),
    blocks="encoder.layer",
    final_norm="encoder.emb_layer_norm_after",
    causal=False,
    act="gelu",
    scale="",
    points={
        **BERT.points,
        "attn_in": Tap("attention.LayerNorm"),
        "resid_mid": Tap("LayerNorm", "in", editable=False),
        "mlp_in": Tap("LayerNorm"),
    },
)
