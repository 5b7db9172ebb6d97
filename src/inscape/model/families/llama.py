"""Llama and those built like it: pre-norm blocks, gated MLP, separate q, k, v."""

from __future__ import annotations

from typing import Any

from inscape.model.family import Family, Tap


def _normed(config: Any) -> dict[str, Any]:
    """Qwen3 has a norm on each head's queries and keys; they are taken after it."""
    if config.model_type != "qwen3":
        return {}
    own = {p: Tap(f"self_attn.{p}_norm", layout="apart") for p in ("q", "k")}
    return {"points": {**FAMILY.points, **own}}


FAMILY = Family(
    name="llama",
    model_types=(
        "llama",
        "mistral",
        "ministral",
        "qwen2",
        "qwen3",
        "smollm3",
        "olmo",
        "helium",
        "seed_oss",
    ),
    blocks="layers",
    final_norm="norm",
    head="lm_head",
    act="mlp.act_fn",
    up=Tap("mlp.up_proj"),
    adjust=_normed,
    points={
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("input_layernorm"),
        "q": Tap("self_attn.q_proj"),
        "k": Tap("self_attn.k_proj"),
        "v": Tap("self_attn.v_proj"),
        "pattern": Tap("self_attn", index=1, editable=False),
        "z": Tap("self_attn.o_proj", "in"),
        "attn_out": Tap("self_attn.o_proj"),
        "resid_mid": Tap("post_attention_layernorm", "in", editable=False),
        "mlp_in": Tap("post_attention_layernorm"),
        "mlp_pre": Tap("mlp.gate_proj"),
        "mlp_act": Tap("mlp.down_proj", "in"),
        "mlp_out": Tap("mlp.down_proj"),
        "resid_post": Tap(""),
    },
)
