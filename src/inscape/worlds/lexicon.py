"""Lexicon: a made-up language whose words are written whole or in two pieces, and a small language
model that speaks it.

A word is a pair of pieces drawn at random; which pairs are words cannot be told from the pieces
alone, and a word's kind is drawn too. A document tells of words in these forms:

    ba lo moss .           a word in pieces, or whole (balo) where the vocabulary has it, and its kind
    ba ti none .           a pair that is no word
    ba lo balo .           a word in pieces, and whole
    say balo : balo .      a word, in pieces or whole, repeated whole (in pieces, where it has no token of its own)

What comes after the second piece depends on the word, so it must be put together there. What must
then hold in a network that has learnt it: the embedding of the second piece does not tell words
from other pairs, later states do; they name the whole word; each block lowers the loss on what
comes next.

Cost: a few seconds on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_RIMES = ("a", "en", "io", "or")
KINDS = ("moss", "stone", "cloud", "river", "bird", "bread")


@dataclass(frozen=True)
class Lexicon:
    """A language and a network that speaks it.

    Attributes:
        model: the trained network, opened and certified.
        documents: texts of some sentences; each is a group.
        whole: pieces of the words that have a token of their own, (n, 2).
        split: pieces of the words that have none.
        other: pairs of pieces that are no words.
        kinds: kind of every word, by its spelling.
        checkpoints: training step → the network then.
    """

    model: Model
    documents: Examples
    whole: np.ndarray
    split: np.ndarray
    other: np.ndarray
    kinds: dict[str, str]
    checkpoints: dict[int, Model] = field(default_factory=dict)


def lexicon(
    words: int = 32,
    width: int = 48,
    blocks: int = 4,
    steps: int = 180,
    seed: int = 0,
    keep: Sequence[int] = (),
) -> Lexicon:
    """Draw a language and train a network in it.

    Args:
        words: words in all, of which three quarters have a token of their own; as many pairs are no
            words.
        width: of the residual stream.
        blocks: of the network.
        steps: of training, each on 32 documents.
        seed: of the language, the initial weights and the order of training.
        keep: steps at which the network is kept.

    Returns:
        The language and the network.
    """
    rng = generator(seed, "lexicon", "words")
    syllables = [o + r for o in _ONSETS for r in _RIMES]
    pieces = [str(s) for s in rng.permutation(syllables)[: 2 * int(np.ceil(np.sqrt(2 * words)))]]
    firsts, seconds = pieces[: len(pieces) // 2], pieces[len(pieces) // 2 :]
    every = np.array([(a, b) for a in firsts for b in seconds])
    drawn = every[rng.permutation(len(every))[: 2 * words]]
    real, other = drawn[:words], drawn[words:]
    kinds = {a + b: KINDS[i % len(KINDS)] for i, (a, b) in enumerate(real)}
    cut = 3 * words // 4
    fixed = ["say", ":", ".", "none", *KINDS]
    tokenizer = word_tokenizer(
        ["[PAD]", *fixed, *firsts, *seconds, *(a + b for a, b in real[:cut])]
    )
    tell = _Teller(real, other, cut, kinds)
    texts = [tell.document(generator(seed, "lexicon", "text", str(i))) for i in range(1200)]
    ids = [torch.tensor(row) for row in tokenizer(texts)["input_ids"]]
    nets = _trained(
        ids[:1000],
        len(tokenizer),
        width,
        blocks,
        steps,
        child_seed(seed, "lexicon", "weights"),
        keep,
    )
    opened = {
        s: open(net, tokenizer=tokenizer, name=f"lexicon world, step {s}")
        for s, net in nets.items()
    }
    frame = pd.DataFrame({"text": texts[1000:], "document": [f"document {i}" for i in range(200)]})
    card = DatasetCard(
        "lexicon world",
        f"200 documents in a made-up language, drawn with seed {seed}, not trained on",
    )
    model = opened.pop(steps)
    model.name = "lexicon world"
    return Lexicon(
        model,
        Examples(frame, "text", (), "document", card=card),
        real[:cut],
        real[cut:],
        other,
        kinds,
        opened,
    )


@dataclass(frozen=True)
class _Teller:
    real: np.ndarray
    other: np.ndarray
    cut: int
    kinds: dict[str, str]

    def document(self, rng: np.random.Generator) -> str:
        return " ".join(self._sentence(rng) for _ in range(4))

    def _sentence(self, rng: np.random.Generator) -> str:
        i, form = int(rng.integers(len(self.real))), rng.random()
        spelt = "".join(self.real[i])
        if form < 0.2:
            return f"{' '.join(self.other[int(rng.integers(len(self.other)))])} none ."
        if form < 0.6 or (form < 0.75 and i >= self.cut):
            return f"{self._written(i, rng)} {self.kinds[spelt]} ."
        if form < 0.75:
            return f"{' '.join(self.real[i])} {spelt} ."
        return f"say {self._written(i, rng)} : {self._written(i)} ."

    def _written(self, i: int, rng: np.random.Generator | None = None) -> str:
        whole = i < self.cut and (rng is None or rng.random() < 0.4)
        return ("" if whole else " ").join(self.real[i])


@trained_once
def _trained(
    ids: list[torch.Tensor],
    vocabulary: int,
    width: int,
    blocks: int,
    steps: int,
    seed: int,
    keep: Sequence[int],
) -> dict[int, LlamaForCausalLM]:
    net = small_llama(
        vocabulary,
        width,
        seed,
        num_hidden_layers=blocks,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        initializer_range=0.15,  # transformers' 0.02 is for widths of hundreds
    )
    kept: dict[int, LlamaForCausalLM] = {}
    stream = torch.Generator().manual_seed(seed)
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)

    def loss(step: int) -> torch.Tensor:
        if step in keep:
            kept[step] = _copy(net)
        rows = padded[torch.randint(len(ids), (32,), generator=stream)]
        logits = net(input_ids=rows, use_cache=False).logits[:, :-1]
        return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), ignore_index=0)

    train(net, loss, steps, peak=1.2e-2)
    return {**kept, steps: net}


def _copy(net: LlamaForCausalLM) -> LlamaForCausalLM:
    other = LlamaForCausalLM(net.config)
    other.load_state_dict(net.state_dict())
    return other.eval()
