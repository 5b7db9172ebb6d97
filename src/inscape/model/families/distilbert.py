"""DistilBERT: a BERT of half the depth, under names of its own."""

from __future__ import annotations

from inscape.model.families.bert import FAMILY as BERT
from inscape.model.family import Family, Tap

FAMILY = Family(
    name="distilbert",
    model_types=("distilbert",),
    blocks="transformer.layer",
    residual="post-norm",
    norms=("sa_layer_norm", "output_layer_norm"),
    causal=False,
    act="ffn.activation",
    points={
        **BERT.points,
        "q": Tap("attention.q_lin"),
        "k": Tap("attention.k_lin"),
        "v": Tap("attention.v_lin"),
        "pattern": Tap("attention", index=1, editable=False),
        "z": Tap("attention.out_lin", "in"),
        "attn_out": Tap("attention.out_lin"),
        "resid_mid": Tap("sa_layer_norm"),
        "mlp_pre": Tap("ffn.lin1"),
        "mlp_act": Tap("ffn.lin2", "in"),
        "mlp_out": Tap("ffn.lin2"),
    },
)
