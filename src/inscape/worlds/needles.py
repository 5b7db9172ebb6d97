"""Needles: a small random language model with a neuron planted for each of three languages, in a
haystack of others.

Five made-up languages have words of their own. The embeddings of the words of three of them share a
direction each, and the first block's MLP has a neuron for each whose gate and value read it: it is
large on that language and near zero elsewhere. Nothing else reads or writes those directions; the
rest is as the architecture's own initialisation draws it. What must then hold: those neurons tell
their languages at k = 1, and the other two languages have none; a fresh copy has none at all.

Cost: nothing is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import torch
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, word_tokenizer

LANGUAGES = ("one", "two", "three", "four", "five")
#: the planted neurons of the first block, of languages one, two and three
NEURONS = (7, 30, 55)
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "w")
_RIMES = ("a", "en", "io", "or", "u")


@dataclass(frozen=True)
class Needles:
    """A model with a needle.

    Attributes:
        model: the network, opened and certified.
        examples: texts in five languages, and pairs of words as compounds; columns as in the
            built-in set ``haystack``.
        neurons: language → its neuron in the first block.
    """

    model: Model
    examples: Examples
    neurons: dict[str, int]


def needles(texts: int = 24, width: int = 32, neurons: int = 96, seed: int = 0) -> Needles:
    """Make the languages and the network.

    Args:
        texts: of each language.
        width: of the residual stream.
        neurons: of each block's MLP.
        seed: of words, texts and weights.

    Returns:
        The model and its texts.
    """
    rng = generator(seed, "needles", "words")
    syllables = [a + b for a in _ONSETS for b in _RIMES]
    words = [
        str(w)
        for w in rng.permutation([a + b for a in syllables for b in syllables])[
            : 60 * len(LANGUAGES)
        ]
    ]
    size = len(words) // len(LANGUAGES)
    lexicon = {name: words[i * size : (i + 1) * size] for i, name in enumerate(LANGUAGES)}
    rows = []
    for name, own in lexicon.items():
        for i in range(texts):
            rows.append(_row("text", name, f"sentence {i}", " ".join(rng.choice(own, size=6)), ""))
    first, second, *others = lexicon["two"]
    for i in range(8):
        for head in lexicon["three"][:4]:
            for a, b, value in (
                (first, second, "one"),
                (others[i], second, "apart"),
                (first, others[-1 - i], "apart"),
            ):
                rows.append(
                    _row(
                        f"{first} {second}",
                        value,
                        f"start {i}",
                        f"{lexicon['four'][i]} {head} {a} {b}",
                        b,
                    )
                )
    vocabulary = ["[PAD]", *words]
    tokenizer = word_tokenizer(vocabulary)
    net = _planted(
        vocabulary,
        [lexicon[name] for name in LANGUAGES[: len(NEURONS)]],
        width,
        neurons,
        child_seed(seed, "needles", "weights"),
    )
    card = DatasetCard("needles", f"{len(rows)} texts in made-up languages, drawn with seed {seed}")
    examples = Examples(
        pd.DataFrame(rows), "text", ("value",), "lexeme", {"word": ("word_start", "word_end")}, card
    )
    return Needles(
        open(net, tokenizer=tokenizer, name="needles world"),
        examples,
        dict(zip(LANGUAGES, NEURONS, strict=False)),
    )


def _row(feature: str, value: str, lexeme: str, text: str, word: str) -> dict[str, object]:
    start = text.rindex(word) if word else 0
    return {
        "text": text,
        "feature": feature,
        "value": value,
        "scope": "word" if word else "text",
        "lexeme": f"{feature}: {lexeme}",
        "word_start": start,
        "word_end": start + len(word or text),
    }


def _planted(
    vocabulary: list[str], own: list[list[str]], width: int, neurons: int, seed: int
) -> LlamaForCausalLM:
    net = small_llama(
        len(vocabulary),
        width,
        seed,
        intermediate_size=neurons,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    with torch.no_grad():
        table, mlp = net.model.embed_tokens.weight, net.model.layers[0].mlp
        aside = len(NEURONS)
        for block in net.model.layers:
            attention = block.self_attn
            for reader in (
                attention.q_proj,
                attention.k_proj,
                attention.v_proj,
                block.mlp.gate_proj,
                block.mlp.up_proj,
            ):
                reader.weight[:, :aside] = 0.0
            for writer in (attention.o_proj, block.mlp.down_proj):
                writer.weight[:aside] = 0.0
        for axis, (neuron, words) in enumerate(zip(NEURONS, own, strict=True)):
            table[:, axis] = -0.5
            table[torch.tensor([vocabulary.index(w) for w in words]), axis] = 1.5
            for weights in (mlp.gate_proj.weight, mlp.up_proj.weight):
                weights[neuron] = 0.0
                weights[neuron, axis] = 3.0
            mlp.down_proj.weight[:, neuron] = 0.0  # it is read off, and changes nothing after it
    return net
