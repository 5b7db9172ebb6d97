"""Sentiment: a made-up language of praise and blame, and a small language model that has learnt to
sum it up.

Every word of feeling has an opposite; nothing in their letters says which is which. A review holds
an adjective and a verb of the same sign, and a two-block Llama is trained to end it with a verdict
of that sign. What must then hold: adjectives lie apart along a direction, wherever that is taken
out the verdict is a guess, and taking out any other direction changes nothing; an untrained network
guesses from the start.

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
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

TEMPLATES = (
    "so the {subject} was {adjective} , and we {verb} it . in short it {end}",
    "they {verb} this {subject} . it was {adjective} , they said . it {end}",
    "a {adjective} {subject} . all who saw it {verb} it , so it {end}",
)
SUBJECTS = ("film", "book", "song")
VERDICTS = (("fine", "grand", "bright"), ("grim", "drab", "foul"))
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_RIMES = ("a", "en", "io", "or")


@dataclass(frozen=True)
class Sentiment:
    """A language and a network that knows it.

    Attributes:
        model: the trained network, opened and certified.
        examples: reviews cut before their verdict; rows 2k and 2k + 1 differ in the words' sign
            alone. Columns as in the built-in set ``templated-sentiment``.
        accuracy: share of reviews that the network ends with a verdict of the right sign.
    """

    model: Model
    examples: Examples
    accuracy: float


def sentiment(words: int = 24, width: int = 32, steps: int = 160, seed: int = 0) -> Sentiment:
    """Draw a language and train a network in it.

    Args:
        words: pairs of opposite adjectives, and of opposite verbs; each is a group.
        width: of the residual stream.
        steps: of training, each on 128 reviews.
        seed: of the words, the initial weights and the order of training.

    Returns:
        The language, the network and how well it learnt.
    """
    rng = generator(seed, "sentiment", "words")
    syllables = [o + r for o in _ONSETS for r in _RIMES]
    made = [f"{a}{b}" for a in syllables for b in syllables]
    drawn = [str(w) for w in rng.permutation(made)[: 4 * words]]
    adjectives, verbs = (
        np.array(half).reshape(words, 2) for half in (drawn[: 2 * words], drawn[2 * words :])
    )
    frame = pd.DataFrame(
        [
            _row(t, subject, adjectives[k, s], verbs[k, s], s)
            | {"words": f"{verbs[k, 0]}/{verbs[k, 1]}"}
            for t in range(len(TEMPLATES))
            for subject in SUBJECTS
            for k in range(words)
            for s in (0, 1)
        ]
    )
    frame["pair"] = np.arange(len(frame)) // 2
    fixed = sorted({w for t in TEMPLATES for w in t.split() if "{" not in w})
    vocabulary = ["[PAD]", *fixed, "ends", *SUBJECTS, *VERDICTS[0], *VERDICTS[1], *sorted(drawn)]
    tokenizer = word_tokenizer(vocabulary)
    ids = [torch.tensor(row) for row in tokenizer(frame["text"].tolist())["input_ids"]]
    sign = torch.tensor(1 - frame["positive"].to_numpy())
    verdicts = torch.tensor([[vocabulary.index(w) for w in side] for side in VERDICTS])
    net = _trained(
        ids, sign, verdicts, len(vocabulary), width, steps, child_seed(seed, "sentiment", "weights")
    )
    model = open(net, tokenizer=tokenizer, name="sentiment world")
    spans = {name: (f"{name}_start", f"{name}_end") for name in ("adjective", "verb", "end")}
    card = DatasetCard(
        "sentiment world", f"{len(frame)} reviews in a made-up language, drawn with seed {seed}"
    )
    examples = Examples(frame, "text", ("positive",), "words", spans, card)
    return Sentiment(model, examples, _accuracy(model, ids, sign, verdicts))


def _row(number: int, subject: str, adjective: str, verb: str, side: int) -> dict[str, object]:
    parts = {"adjective": str(adjective), "verb": str(verb), "end": "ends", "subject": subject}
    text, row = "", {"positive": 1 - side, "template": number, "subject": subject}
    for word in TEMPLATES[number].split():
        name = word.strip("{}") if word.startswith("{") else ""
        start = len(text) + bool(text)
        text = f"{text} {parts[name] if name else word}".strip()
        if name in ("adjective", "verb", "end"):
            row |= {f"{name}_start": start, f"{name}_end": len(text)}
    return {"text": text, **row, "adjective": str(adjective), "verb": str(verb)}


@trained_once
def _trained(
    ids: list[torch.Tensor],
    sign: torch.Tensor,
    verdicts: torch.Tensor,
    vocabulary: int,
    width: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net, stream = small_llama(vocabulary, width, seed), torch.Generator().manual_seed(seed)
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True)
    last = torch.tensor([len(row) - 1 for row in ids])

    def loss(_: int) -> torch.Tensor:
        rows = torch.randint(len(ids), (128,), generator=stream)
        target = verdicts[sign[rows], torch.randint(verdicts.shape[1], (128,), generator=stream)]
        logits = net(input_ids=padded[rows], use_cache=False).logits[torch.arange(128), last[rows]]
        return F.cross_entropy(logits, target)

    train(net, loss, steps, peak=6e-3)
    return net


def _accuracy(
    model: Model, ids: list[torch.Tensor], sign: torch.Tensor, verdicts: torch.Tensor
) -> float:
    rows = torch.arange(len(ids))
    last = torch.tensor([len(row) - 1 for row in ids])
    found = model.run(
        torch.nn.utils.rnn.pad_sequence(ids, batch_first=True), logits=True, at=last[:, None]
    ).logits
    assert found is not None
    mean = found[rows, 0][:, verdicts].mean(dim=2)
    return float((mean.argmax(dim=1) == sign).float().mean())
