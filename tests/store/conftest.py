"""A small random Llama with a word-level tokenizer, and sentences of mixed length with labels and
groups.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from inscape.data.examples import Examples
from inscape.model.model import Model

WORDS = [f"w{i}" for i in range(60)]


def tokenizer(words: list[str] = WORDS) -> PreTrainedTokenizerFast:
    table = {word: i for i, word in enumerate(["<s>", "<unk>", *words])}
    fast = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast, bos_token="<s>", unk_token="<unk>", pad_token="<s>"
    )


def llama(seed: int = 0) -> Model:
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=24,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = LlamaForCausalLM(config).eval()
    return Model(net, tokenizer(), f"llama{seed}")


def sentences(n: int = 40, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(1, 15))) for _ in range(n)]
    texts[7] = texts[3]
    frame = pd.DataFrame(
        {"text": texts, "x": rng.standard_normal(n), "kind": rng.choice(["a", "b"], n)}
    )
    frame["group"] = [f"g{i % 5}" for i in range(n)]
    frame["from"], frame["to"] = 0, [len(t.split()[0]) for t in texts]
    return Examples(frame, "text", ("x", "kind"), group="group", spans={"head": ("from", "to")})


def close_to_rounding(found, expected) -> None:
    """The same vectors out of batches of other shapes, which may take other kernels.

    A value is a sum of some 200 float32 terms (three blocks of 24, 32 and up to 16 terms each),
    added in any order: the rounding errors are at most 200 × 2⁻²⁴ of the largest value, 1.2e-5.
    """
    expected = np.asarray(expected)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1.2e-5 * np.abs(expected).max())


#: of a process that has just begun; the other processes of a test have as many
THREADS = torch.get_num_threads()


@pytest.fixture(scope="module", autouse=True)
def threads():
    """As many threads as at the start: bytes are only equal with as many, and a worker made here
    sets its own.
    """
    torch.set_num_threads(THREADS)


@pytest.fixture(scope="session")
def model() -> Model:
    return llama()


@pytest.fixture(scope="session")
def examples() -> Examples:
    return sentences()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
