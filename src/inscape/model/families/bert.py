"""BERT, RoBERTa, ELECTRA and the encoders built on them: every sum is normalised, tokens see both
ways.
"""

from __future__ import annotations

from inscape.model.family import Family, Tap

FAMILY = Family(
    name="bert",
    model_types=("bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie"),
    blocks="encoder.layer",
    residual="post-norm",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    causal=False,
    act="intermediate.intermediate_act_fn",
    points={
        "resid_pre": Tap("", "in"),
        "q": Tap("attention.self.query"),
        "k": Tap("attention.self.key"),
        "v": Tap("attention.self.value"),
        "pattern": Tap("attention.self", index=1, editable=False),
        "z": Tap("attention.output.dense", "in"),
        "attn_out": Tap("attention.output.dense"),
        "resid_mid": Tap("attention.output.LayerNorm"),
        "mlp_pre": Tap("intermediate.dense"),
        "mlp_act": Tap("output.dense", "in"),
        "mlp_out": Tap("output.dense"),
        "resid_post": Tap(""),
    },
)
