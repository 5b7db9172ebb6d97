"""Sentences of made-up words and a random network that reads them: as small as they can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

WORDS = [f"w{i}" for i in range(40)]


def table(n: int = 12) -> pd.DataFrame:
    """Sentences with a number, a class, a group and a span."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(2, 12))) for _ in range(n)]
    frame = pd.DataFrame(
        {"text": texts, "x": rng.normal(size=n), "kind": rng.choice(["a", "b"], n)}
    )
    frame["group"] = [f"g{i % 5}" for i in range(n)]
    return frame


def network() -> Any:
    """A random Llama of two blocks."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=64,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config).eval()


def tokenizer() -> Any:
    """Words by white space."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = {word: i for i, word in enumerate(["<s>", "<unk>", *WORDS])}
    fast = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, bos_token="<s>", unk_token="<unk>", pad_token="<s>"
    )


def model() -> Any:
    """The network with its tokenizer, opened."""
    from inscape.model.open import open

    return open(network(), tokenizer=tokenizer(), name="tiny")


def examples(n: int = 40) -> Any:
    """The sentences, checked."""
    from inscape.data.examples import Examples

    return Examples(table(n), "text", ("x",), group="group")
