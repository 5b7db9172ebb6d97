"""A tiny random network of every architecture that has a table, built from its configuration
alone.
"""

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
#: encoder and decoder differ in all that they may differ in
_ENCODER_DECODER = dict(
    d_model=32,
    encoder_layers=3,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=8,
    encoder_ffn_dim=48,
    decoder_ffn_dim=40,
    decoder_start_token_id=1,
)
_BART = dict(**_ENCODER_DECODER, **_IDS, **_LONG)
_T5 = dict(
    d_model=32,
    d_kv=16,
    d_ff=48,
    num_layers=3,
    num_decoder_layers=2,
    num_heads=4,
    decoder_start_token_id=0,
    **_IDS,
)
_TOWERS = dict(
    text_config=dict(**_PLAIN, **_IDS, **_LONG),
    vision_config=dict(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        image_size=32,
        patch_size=8,
    ),
)
_SOUND = dict(
    **_PLAIN,
    **_IDS,
    conv_dim=(12, 12),
    conv_kernel=(4, 3),
    conv_stride=(4, 2),
    num_feat_extract_layers=2,
    num_conv_pos_embeddings=4,
    num_conv_pos_embedding_groups=2,
    mask_time_prob=0.0,
)
_LATENT = dict(
    **_PLAIN,
    **_IDS,
    **_LONG,
    num_key_value_heads=4,
    kv_lora_rank=12,
    qk_nope_head_dim=8,
    qk_rope_head_dim=4,
    v_head_dim=6,
    moe_intermediate_size=20,
    n_routed_experts=4,
    n_shared_experts=1,
    num_experts_per_tok=2,
    first_k_dense_replace=1,
)

#: model type → (what is built from it, its configuration); a name after a space tells two of one
# type apart
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
    "dinov3_vit": ("Model", dict(**_PLAIN, image_size=32, patch_size=8, num_register_tokens=2)),
    "dinov3_vit gated": (
        "Model",
        dict(**_PLAIN, image_size=32, patch_size=8, num_register_tokens=2, use_gated_mlp=True),
    ),
    "beit": (
        "ImageClassification",
        dict(**_IMAGE, use_relative_position_bias=True, use_mean_pooling=False),
    ),
    "beit shared": (
        "ImageClassification",
        dict(**_IMAGE, use_shared_relative_position_bias=True, layer_scale_init_value=0.0),
    ),
    "swin": (
        "ImageClassification",
        dict(
            embed_dim=16,
            depths=[2, 3],
            num_heads=[2, 4],
            window_size=2,
            image_size=32,
            patch_size=4,
            mlp_ratio=2.5,
            num_labels=7,
        ),
    ),
    "clip image": ("Model", _TOWERS),
    "clip text": ("Model", _TOWERS),
    "clip_vision_model": ("Model", _TOWERS["vision_config"]),
    "clip_text_model": ("Model", _TOWERS["text_config"]),
    "siglip image": ("Model", _TOWERS),
    "siglip text": ("Model", _TOWERS),
    "siglip_vision_model": ("Model", _TOWERS["vision_config"]),
    "siglip_text_model": ("SiglipTextModel", _TOWERS["text_config"]),
    "albert": ("MaskedLM", dict(**_ENCODER, embedding_size=16)),
    "albert grouped": (
        "MaskedLM",
        dict(
            **{**_ENCODER, "num_hidden_layers": 4},
            embedding_size=16,
            num_hidden_groups=2,
            inner_group_num=2,
        ),
    ),
    "t5 encoder": ("Seq2SeqLM", _T5),
    "t5 decoder": ("Seq2SeqLM", _T5),
    "t5 gated decoder": (
        "Seq2SeqLM",
        dict(**_T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    ),
    "mt5 encoder": ("Seq2SeqLM", _T5),
    "mt5 decoder": ("Seq2SeqLM", _T5),
    "umt5 encoder": ("Seq2SeqLM", _T5),
    "umt5 decoder": ("Seq2SeqLM", _T5),
    **{
        f"{kind} {tower}": ("Seq2SeqLM", _BART)
        for kind in (
            "bart",
            "mbart",
            "pegasus",
            "marian",
            "blenderbot",
            "blenderbot-small",
            "m2m_100",
            "plbart",
        )
        for tower in ("encoder", "decoder")
    },
    "mamba": (
        "CausalLM",
        dict(hidden_size=32, state_size=5, num_hidden_layers=3, time_step_rank=6, expand=3, **_IDS),
    ),
    "mamba2": (
        "CausalLM",
        dict(
            hidden_size=32,
            state_size=5,
            num_hidden_layers=3,
            num_heads=8,
            head_dim=12,
            expand=3,
            n_groups=2,
            chunk_size=4,
            **_IDS,
        ),
    ),
    "deepseek_v2": ("CausalLM", dict(**_LATENT, q_lora_rank=None, n_group=1, topk_group=1)),
    "deepseek_v3": ("CausalLM", dict(**_LATENT, q_lora_rank=10, n_group=2, topk_group=1)),
    "wav2vec2": ("Model", _SOUND),
    "wav2vec2 stable": (
        "Model",
        dict(**_SOUND, do_stable_layer_norm=True, feat_extract_norm="layer"),
    ),
    "hubert": ("Model", _SOUND),
    "hubert stable": ("Model", dict(**_SOUND, do_stable_layer_norm=True)),
    "unispeech": ("Model", _SOUND),
    "unispeech-sat": ("Model", _SOUND),
    **{
        f"whisper {tower}": (
            "SpeechSeq2Seq",
            dict(**_ENCODER_DECODER, **_IDS, max_source_positions=12, num_mel_bins=8),
        )
        for tower in ("encoder", "decoder")
    },
}


def tower(name: str) -> str:
    """The stack that a key of `TINY` names; empty where its architecture has one alone."""
    last = name.split()[-1]
    return last if last in ("encoder", "decoder", "image", "text") else ""


def tiny(name: str, seed: int = 0, perturbed: bool = True) -> Any:
    """A random network, every parameter perturbed so that no bias is zero and no norm is one.

    Args:
        name: a key of `TINY`.
        seed: of its weights.
        perturbed: otherwise as its own code draws it.
    """
    kind, facts = TINY[name]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = t.AutoConfig.for_model(name.split()[0], **facts)
        auto = getattr(t, "AutoModel" if kind == "Model" else f"AutoModelFor{kind}", None)
        made = (auto.from_config(config) if auto else getattr(t, kind)(config)).eval()
        with torch.no_grad():
            for parameter in made.parameters() if perturbed else ():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made
