"""Tiny random networks of every family, and a word tokenizer, built on the spot."""

from __future__ import annotations

from typing import Any

import torch
import transformers as t
from tokenizers import Tokenizer, models, pre_tokenizers, processors

D, HEADS, LAYERS, FF, VOCABULARY = 32, 4, 3, 64, 120
_COMMON = dict(
    hidden_size=D, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=FF
)
_IDS = dict(vocab_size=VOCABULARY, pad_token_id=0, bos_token_id=1, eos_token_id=2)
_GROUPED = dict(num_key_value_heads=2, head_dim=8, max_position_embeddings=128)
_OPT = dict(
    hidden_size=D,
    num_hidden_layers=LAYERS,
    num_attention_heads=HEADS,
    ffn_dim=FF,
    word_embed_proj_dim=D,
)
_WHISPER = dict(
    d_model=D,
    encoder_layers=LAYERS,
    decoder_layers=1,
    encoder_attention_heads=HEADS,
    decoder_attention_heads=HEADS,
    encoder_ffn_dim=FF,
    decoder_ffn_dim=FF,
    max_source_positions=12,
)

#: family → (class, configuration)
NETS: dict[str, tuple[Any, Any]] = {
    "llama": (t.LlamaForCausalLM, lambda: t.LlamaConfig(**_COMMON, **_IDS, **_GROUPED)),
    "mistral": (t.MistralForCausalLM, lambda: t.MistralConfig(**_COMMON, **_IDS, **_GROUPED)),
    "qwen2": (t.Qwen2ForCausalLM, lambda: t.Qwen2Config(**_COMMON, **_IDS, num_key_value_heads=2)),
    "qwen3": (t.Qwen3ForCausalLM, lambda: t.Qwen3Config(**_COMMON, **_IDS, **_GROUPED)),
    "gemma2": (t.Gemma2ForCausalLM, lambda: t.Gemma2Config(**_COMMON, **_IDS, **_GROUPED)),
    "gemma3": (t.Gemma3ForCausalLM, lambda: t.Gemma3TextConfig(**_COMMON, **_IDS, **_GROUPED)),
    "gpt2": (
        t.GPT2LMHeadModel,
        lambda: t.GPT2Config(n_embd=D, n_layer=LAYERS, n_head=HEADS, n_positions=128, **_IDS),
    ),
    "neox": (t.GPTNeoXForCausalLM, lambda: t.GPTNeoXConfig(**_COMMON, **_IDS)),
    "neox-serial": (
        t.GPTNeoXForCausalLM,
        lambda: t.GPTNeoXConfig(**_COMMON, **_IDS, use_parallel_residual=False),
    ),
    "opt": (t.OPTForCausalLM, lambda: t.OPTConfig(**_OPT, **_IDS)),
    "opt-post": (t.OPTForCausalLM, lambda: t.OPTConfig(**_OPT, **_IDS, do_layer_norm_before=False)),
    "bert": (t.BertModel, lambda: t.BertConfig(**_COMMON, vocab_size=VOCABULARY)),
    "bert-mlm": (t.BertForMaskedLM, lambda: t.BertConfig(**_COMMON, vocab_size=VOCABULARY)),
    "roberta": (t.RobertaModel, lambda: t.RobertaConfig(**_COMMON, **_IDS)),
    "vit": (
        t.ViTForImageClassification,
        lambda: t.ViTConfig(**_COMMON, image_size=32, patch_size=8, num_labels=7),
    ),
    "whisper": (
        t.WhisperModel,
        lambda: t.WhisperConfig(**_WHISPER, **_IDS, decoder_start_token_id=1, num_mel_bins=8),
    ),
}
CAUSAL = (
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma2",
    "gemma3",
    "gpt2",
    "neox",
    "neox-serial",
    "opt",
    "opt-post",
)


def net(family: str, seed: int = 0) -> Any:
    """A random network of a family, every parameter perturbed so that no bias is zero and no norm
    is one.
    """
    kind, config = NETS[family]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = kind(config()).eval()
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made


WORDS = (
    "the a river sea mountain Paris London is of in and it rises runs capital good bad film , . !"
).split()


def tokenizer(template: str | None = None) -> Any:
    """A word-level tokenizer over a handful of words; `template` such as ``"[CLS] $A [SEP]"``."""
    vocabulary = {w: i for i, w in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *WORDS])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    if template:
        inner.post_processor = processors.TemplateProcessing(
            template, special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return t.PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
    )


def live_hooks(network: Any) -> int:
    """How many hooks a network carries."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())
