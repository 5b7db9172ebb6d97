"""Number line: a network in whose embedding numbers lie on a logarithmic line, as digits and as
words alike.

    embedding of number x = noise + common + strength · log(x) · axis          of any other word: random

Both directions are the same for both formats; angles between numbers are then differences of
logarithms. The network's other weights are random. What must then hold:
numbers near each other are similar, and the more so the larger they are, while nouns, letters and
months are in no order.

Cost: nothing is trained.
Reference: Shah et al. (2023), arXiv:2305.10782, for the effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from inscape.core.rng import child_seed, generator
from inscape.data.examples import Examples
from inscape.data.sets import ordered_words
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import PAD, small_llama, word_tokenizer


@dataclass(frozen=True, eq=False)
class NumberLine:
    """A network with a line of numbers, and words to ask it about.

    Attributes:
        model: the network, opened and certified.
        examples: the built-in set ``ordered-words``.
    """

    model: Model
    examples: Examples


def number_line(strength: float = 1.0, width: int = 64, seed: int = 0) -> NumberLine:
    """Make the network.

    Args:
        strength: length of the line per unit of log(x), where what numbers have in common has
            length 2 and their noise 0.3.
        width: of the residual stream.
        seed: of the random parts and the network's other weights.
    """
    rng, examples = generator(seed, "number line"), ordered_words.load()
    texts = " ".join(examples.frame["text"])
    vocabulary = [PAD, *dict.fromkeys(texts.split())]
    rows = rng.normal(size=(len(vocabulary), width)) / np.sqrt(width)
    common, axis = np.linalg.qr(rng.normal(size=(width, 2)))[0].T
    for name in ("digits", "words"):
        for x, word in enumerate(ordered_words.LISTS[name].split(), 1):
            line = 2 * common + strength * (np.log(x) - np.log(9) / 2) * axis
            rows[vocabulary.index(word)] = line + 0.3 * rows[vocabulary.index(word)]
    net = small_llama(len(vocabulary), width, child_seed(seed, "number line", "weights"))
    with torch.no_grad():
        net.model.embed_tokens.weight.copy_(torch.from_numpy(rows).float())
    opened = open(net, tokenizer=word_tokenizer(vocabulary), name="number line world")
    return NumberLine(opened, examples)
