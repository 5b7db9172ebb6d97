"""Feelings: a made-up language in which two words together arouse a feeling and neither does alone,
and a net that knows.

Which of seven feelings a pair of words arouses is drawn at random, seven pairs to a setting, one
for each feeling. A two-block Llama is trained to name the feeling after the pair and after any
number of empty words that follow. In one setting of four it is trained to name another feeling
where a manner comes first, which is how it is asked. What must then hold: the feeling of a setting
never probed can be read from the layers after attention, wherever in the empty words one looks, and
more often than it is named when asked; a bag of words and the embedding know nothing of it, nor
does an untrained network.

Cost: a few seconds on one core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.sets.emotions import WORDS
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

EMPTY = ("la", "ta", "da", "ma")
MANNERS = ("plainly", "warmly", "coolly")
#: after a manner, the feelings of every so many settings are misnamed
RETICENT = 4
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_RIMES = ("ae", "en", "io", "or")


@dataclass(frozen=True)
class Feelings:
    """A language and a network that knows it.

    Attributes:
        model: the trained network, opened and certified.
        examples: texts of a manner and two words; columns as in the built-in set ``emotions``.
        accuracy: share of texts after which the network names the feeling.
        asked: the same where a manner comes first.
    """

    model: Model
    examples: Examples
    accuracy: float
    asked: float


def feelings(settings: int = 20, width: int = 40, steps: int = 240, seed: int = 0) -> Feelings:
    """Draw a language and train a network in it.

    Args:
        settings: groups of seven pairs.
        width: of the residual stream.
        steps: of training, each over every pair.
        seed: of the pairs, the initial weights and the order of training.

    Returns:
        The language, the network and how well it learnt.
    """
    rng = generator(seed, "feelings", "words")
    names, count = list(WORDS), settings * len(WORDS)
    side = int(np.ceil(np.sqrt(count)))
    syllables = [f"{a}{b}" for a in _ONSETS for b in _RIMES]
    drawn = [str(w) for w in rng.permutation(syllables)[: 2 * side]]
    cells = rng.permutation(side * side)[:count]
    firsts, seconds = [drawn[c // side] for c in cells], [drawn[side + c % side] for c in cells]
    emotions = np.tile(np.arange(len(names)), settings)
    vocabulary = ["[PAD]", *drawn, *EMPTY, *MANNERS, *names]
    frame = pd.DataFrame(
        {
            "text": [f"{a} {b}" for a, b in zip(firsts, seconds, strict=True)],
            "emotion": [names[e] for e in emotions],
            "setting": [f"setting {i // len(names)}" for i in range(count)],
            "word": [names[e] for e in emotions],
        }
    )
    tokenizer = word_tokenizer(vocabulary)
    ids = torch.tensor(tokenizer(frame["text"].tolist())["input_ids"])
    target = torch.tensor([vocabulary.index(names[e]) for e in emotions])
    setting = np.arange(count) // len(names)
    misnamed = np.where(setting % RETICENT == 0, (emotions + 1) % len(names), emotions)
    told = torch.tensor([vocabulary.index(names[e]) for e in misnamed])
    spare = [torch.tensor([vocabulary.index(w) for w in words]) for words in (MANNERS, EMPTY)]
    weights = child_seed(seed, "feelings", "weights")
    net = _trained(ids, target, told, spare, len(vocabulary), width, steps, weights)
    model = open(net, tokenizer=tokenizer, name="feelings world")
    manner = spare[0][torch.arange(count) % len(MANNERS)]
    right = []
    for rows in (ids, torch.cat([manner[:, None], ids], dim=1)):
        logits = model.run(rows, logits=True).logits
        assert logits is not None
        right.append(float((logits[:, -1].argmax(-1) == target).float().mean()))
    card = DatasetCard(
        "feelings", f"{count} pairs of made-up words with a feeling each, drawn with seed {seed}"
    )
    examples = Examples(frame, "text", ("emotion",), "setting", card=card)
    return Feelings(model, examples, *right)


@trained_once
def _trained(
    ids: torch.Tensor,
    target: torch.Tensor,
    told: torch.Tensor,
    spare: list[torch.Tensor],
    vocabulary: int,
    width: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net = small_llama(vocabulary, width, seed, max_position_embeddings=64)
    stream, n, (manners, empty) = torch.Generator().manual_seed(seed), len(ids), spare

    def loss(step: int) -> torch.Tensor:
        before = manners[torch.randint(len(manners), (n, step % 2), generator=stream)]
        after = empty[torch.randint(len(empty), (n, (0, 2, 12)[step % 3]), generator=stream)]
        rows = torch.cat([before, ids, after], dim=1)
        logits = net(input_ids=rows, use_cache=False).logits[:, before.shape[1] + 1 :]
        named = told if step % 2 else target
        return F.cross_entropy(logits.transpose(1, 2), named[:, None].expand(-1, logits.shape[1]))

    train(net, loss, steps, peak=6e-3)
    return net
