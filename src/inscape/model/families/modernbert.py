"""ModernBERT: an encoder with rotary encoding, a gated MLP and norms that come first."""

from __future__ import annotations

from inscape.model.family import Family, Tap

FAMILY = Family(
    name="modernbert",
    model_types=("modernbert",),
    blocks="layers",
    final_norm="final_norm",
    causal=False,
    act="mlp.act",
    up=Tap("mlp.Wi", layout="second half"),
    points={
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("attn_norm"),
        "q": Tap("attn.Wqkv", layout="first third"),
        "k": Tap("attn.Wqkv", layout="second third"),
        "v": Tap("attn.Wqkv", layout="third third"),
        "pattern": Tap("attn", index=1, editable=False),
        "z": Tap("attn.Wo", "in"),
        "attn_out": Tap("attn.Wo"),
        "resid_mid": Tap("mlp_norm", "in", editable=False),
        "mlp_in": Tap("mlp_norm"),
        "mlp_pre": Tap("mlp.Wi", layout="first half"),
        "mlp_act": Tap("mlp.Wo", "in"),
        "mlp_out": Tap("mlp.Wo"),
        "resid_post": Tap(""),
    },
)
