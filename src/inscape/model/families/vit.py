"""Vision transformers (ViT): pre-norm blocks over patches, position 0 is the class token."""

from __future__ import annotations

from inscape.model.family import Family, Tap

FAMILY = Family(
    name="vit",
    model_types=("vit", "deit"),
    kind="image",
    blocks="layers",
    final_norm="layernorm",
    head="classifier",
    causal=False,
    act="mlp.activation_fn",
    points={
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("layernorm_before"),
        "q": Tap("attention.q_proj"),
        "k": Tap("attention.k_proj"),
        "v": Tap("attention.v_proj"),
        "pattern": Tap("attention", index=1, editable=False),
        "z": Tap("attention.o_proj", "in"),
        "attn_out": Tap("attention.o_proj"),
        "resid_mid": Tap("layernorm_after", "in", editable=False),
        "mlp_in": Tap("layernorm_after"),
        "mlp_pre": Tap("mlp.fc1"),
        "mlp_act": Tap("mlp.fc2", "in"),
        "mlp_out": Tap("mlp.fc2"),
        "resid_post": Tap(""),
    },
)
