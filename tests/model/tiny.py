"""A tiny random network of every architecture that has a table, built from its configuration alone."""

from __future__ import annotations

from typing import Any

import torch
import transformers as t

_IDS = dict(vocab_size=120, pad_token_id=0, bos_token_id=1, eos_token_id=2)
_PLAIN = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48)
_LONG = dict(max_position_embeddings=128)
_GROUPED = dict(**_PLAIN, **_IDS, **_LONG, num_key_value_heads=2)
_EXPERTS = dict(**_GROUPED, num_experts_per_tok=2)
_IMAGE = dict(**_PLAIN, image_size=32, patch_size=8, num_labels=7)
_ENCODER = dict(**_PLAIN, **_LONG, vocab_size=120, pad_token_id=0)
_ENCODER_DECODER = dict(
    d_model=32,
    encoder_layers=3,
    decoder_layers=1,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=48,
    decoder_ffn_dim=48,
)

#: model type → (what is built from it, its configuration); a name after a space tells two of one type apart
TINY: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("CausalLM", _GROUPED),
    "mistral": ("CausalLM", _GROUPED),
    "qwen2": ("CausalLM", _GROUPED),
    "qwen3": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "smollm3": ("CausalLM", _GROUPED),
    "gemma": ("CausalLM", dict(**_GROUPED, head_dim=16)),
    "gemma2": ("CausalLM", dict(**_GROUPED, head_dim=16)),
    "gemma3_text": ("CausalLM", dict(**_GROUPED, head_dim=16)),
    "ministral": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "olmo": ("CausalLM", _GROUPED),
    "olmo2": ("CausalLM", _GROUPED),
    "olmo3": ("CausalLM", _GROUPED),
    "phi": ("CausalLM", _GROUPED),
    "phi with norms": ("CausalLM", dict(**_GROUPED, qk_layernorm=True)),
    "phi3": ("CausalLM", _GROUPED),
    "starcoder2": ("CausalLM", _GROUPED),
    "stablelm": ("CausalLM", _GROUPED),
    "cohere": ("CausalLM", _GROUPED),
    "cohere2": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "granite": (
        "CausalLM",
        dict(
            **_GROUPED,
            residual_multiplier=0.7,
            attention_multiplier=0.2,
            embedding_multiplier=3.0,
            logits_scaling=2.0,
        ),
    ),
    "glm": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "glm4": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "nemotron": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "exaone4": ("CausalLM", _GROUPED),
    "helium": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "seed_oss": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "arcee": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "apertus": ("CausalLM", dict(**_GROUPED, head_dim=8)),
    "mixtral": ("CausalLM", dict(**_EXPERTS, num_local_experts=4)),
    "qwen2_moe": (
        "CausalLM",
        dict(
            **_EXPERTS,
            num_experts=4,
            moe_intermediate_size=24,
            shared_expert_intermediate_size=24,
        ),
    ),
    "qwen3_moe": (
        "CausalLM",
        dict(**_EXPERTS, num_experts=4, moe_intermediate_size=24, head_dim=8),
    ),
    "olmoe": ("CausalLM", dict(**_EXPERTS, num_experts=4)),
    "granitemoe": (
        "CausalLM",
        dict(**_EXPERTS, num_local_experts=4, residual_multiplier=0.7, attention_multiplier=0.2),
    ),
    "gpt_oss": ("CausalLM", dict(**_EXPERTS, num_local_experts=4, head_dim=8)),
    "gpt2": ("CausalLM", dict(n_embd=32, n_layer=3, n_head=4, n_positions=128, **_IDS)),
    "gpt_bigcode": ("CausalLM", dict(n_embd=32, n_layer=3, n_head=4, n_positions=128, **_IDS)),
    "gpt_bigcode many": (
        "CausalLM",
        dict(n_embd=32, n_layer=3, n_head=4, n_positions=128, multi_query=False, **_IDS),
    ),
    "gpt_neo": (
        "CausalLM",
        dict(
            hidden_size=32,
            num_layers=4,
            num_heads=4,
            intermediate_size=48,
            attention_types=[[["global", "local"], 2]],
            window_size=8,
            **_LONG,
            **_IDS,
        ),
    ),
    "gptj": (
        "CausalLM",
        dict(n_embd=32, n_layer=3, n_head=4, rotary_dim=4, n_positions=128, **_IDS),
    ),
    "gpt_neox": ("CausalLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "gpt_neox serial": (
        "CausalLM",
        dict(**_PLAIN, **_LONG, **_IDS, use_parallel_residual=False),
    ),
    "falcon": (
        "CausalLM",
        dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, **_IDS),
    ),
    "falcon grouped": (
        "CausalLM",
        dict(
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_kv_heads=2,
            new_decoder_architecture=True,
            **_IDS,
        ),
    ),
    "falcon alibi": (
        "CausalLM",
        dict(
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            alibi=True,
            multi_query=False,
            parallel_attn=False,
            bias=True,
            **_IDS,
        ),
    ),
    "bloom": ("CausalLM", dict(hidden_size=32, n_layer=3, n_head=4, **_IDS)),
    "mpt": ("CausalLM", dict(d_model=32, n_layers=3, n_heads=4, max_seq_len=128, **_IDS)),
    "persimmon": ("CausalLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "biogpt": ("CausalLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "xglm": (
        "CausalLM",
        dict(d_model=32, num_layers=3, attention_heads=4, ffn_dim=48, **_LONG, **_IDS),
    ),
    "opt": (
        "CausalLM",
        dict(
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            ffn_dim=48,
            word_embed_proj_dim=32,
            **_LONG,
            **_IDS,
        ),
    ),
    "bert": ("MaskedLM", _ENCODER),
    "roberta": ("MaskedLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "xlm-roberta": ("MaskedLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "camembert": ("MaskedLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "electra": ("MaskedLM", dict(**_ENCODER, embedding_size=16)),
    "ernie": ("MaskedLM", _ENCODER),
    "distilbert": (
        "MaskedLM",
        dict(dim=32, n_layers=3, n_heads=4, hidden_dim=48, **_LONG, vocab_size=120, pad_token_id=0),
    ),
    "mpnet": ("MaskedLM", dict(**_PLAIN, **_LONG, **_IDS)),
    "esm": (
        "MaskedLM",
        dict(
            **_PLAIN,
            **_LONG,
            vocab_size=33,
            pad_token_id=1,
            mask_token_id=32,
            position_embedding_type="rotary",
        ),
    ),
    "modernbert": (
        "MaskedLM",
        dict(
            **_PLAIN,
            **_LONG,
            vocab_size=120,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
        ),
    ),
    "deberta-v2": ("MaskedLM", _ENCODER),
    "vit": ("ImageClassification", _IMAGE),
    "deit": (
        "ImageClassification",
        dict(**_IMAGE, architectures=["DeiTForImageClassification"]),
    ),
    "dinov2": (
        "Model",
        dict(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=8
        ),
    ),
    "dinov2_with_registers": (
        "Model",
        dict(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4, image_size=32, patch_size=8
        ),
    ),
    "whisper": (
        "Model",
        dict(
            **_ENCODER_DECODER,
            **_IDS,
            max_source_positions=12,
            num_mel_bins=8,
            decoder_start_token_id=1,
        ),
    ),
}


def tiny(name: str, seed: int = 0) -> Any:
    """A random network, every parameter perturbed so that no bias is zero and no norm is one.

    Args:
        name: a key of `TINY`.
        seed: of its weights.
    """
    kind, facts = TINY[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = t.AutoConfig.for_model(name.split()[0], **facts)
        auto = getattr(t, "AutoModel" if kind == "Model" else f"AutoModelFor{kind}")
        made = auto.from_config(config).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made
