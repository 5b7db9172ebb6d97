"""Scrambler: a random encoder whose deeper layers lose what its first one holds, layer by layer.

A BERT of random weights, large enough to mix tokens up: words are there in the embedding, and every
block adds attention and a non-linear map that nothing was trained to undo. What must then hold: for
questions about words a probe of the last layer is worse than one of an early layer, and a mix of
layers leans to the early ones.

Cost: nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from inscape.core.rng import child_seed
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open


@dataclass(frozen=True)
class ScrambledTasks:
    """The random encoder and sentences that it knows.

    Attributes:
        model: the encoder.
        examples: the built-in sentence tasks.
    """

    model: Model
    examples: Examples


def scrambled_tasks(seed: int = 0) -> ScrambledTasks:
    """The random encoder of the built-in sentence tasks.

    Args:
        seed: of the weights.
    """
    examples = load("sentence-tasks")
    return ScrambledTasks(scrambler(examples.texts(), seed=seed), examples)


def scrambler(texts: Sequence[str], blocks: int = 4, width: int = 48, seed: int = 0) -> Model:
    """A random encoder that knows the words of some texts.

    Args:
        texts: whose words its vocabulary is; punctuation is split off, letters are lower-cased.
        blocks: how many.
        width: of its layers.
        seed: of the weights.

    Returns:
        The encoder, opened and certified.
    """
    split = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    words = sorted({word.lower() for text in texts for word, _ in split.pre_tokenize_str(text)})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    inner = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    inner.pre_tokenizer = split
    inner.normalizer = normalizers.Lowercase()
    inner.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        num_hidden_layers=blocks,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=64,
        initializer_range=0.6,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(child_seed(seed, "scrambler") % 2**63)
        net = BertModel(config, add_pooling_layer=False)
    return open(net.eval(), tokenizer=tokenizer, name="scrambler")
