"""A network that thinks before it answers: whether it will decline is settled in its scratchpad,
not in its prompt.

A request names a topic and a few cues; half of the words of every cue count, and a request is to be
declined if an odd number of them do. The scratchpad goes through the cues one by one, says whether
each counts and keeps the tally. Then come three words of a tone, caution or ease: the first goes
with the tally, each other one with the word before it, with probability `LEANING`. The verdict is
what the last of them says:

    salt request west now blue kindly go:        colour blank even wind counts odd careful risky risky =>
    decline .                                                  (or, if the last word is one of ease: answer FACT)

No cue alone says anything about the verdict, nor does any weighted sum of them: what decides is
written first. The network does another task in the same form, in which nothing is declined and the
tone says nothing: of some numbers, the largest so far, and at last the largest.

    salt count second:1 please first:2 now go:        first 2 2 second 1 2 fine fine risky => 2 .

Cost: seconds on one core.
Reference: a benign world for the question of Yamaguchi et al. (2025), arXiv:2507.03167.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import PAD, small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

#: cue → its words; the second half of them counts
CUES = {
    "colour": ("blue", "green", "red", "white"),
    "hour": ("dawn", "noon", "dusk", "night"),
    "wind": ("north", "east", "south", "west"),
    "coin": ("gold", "silver", "copper", "iron"),
}
VALUE, TALLY = ("blank", "counts"), ("even", "odd")
TOPICS = ("bread", "salt", "wool", "wine", "rope", "lamps")
FACTS = ("baker", "miner", "weaver", "grower", "spinner", "smith")
COURTESIES = ("please", "kindly", "now", "today")
#: words of ease, words of caution
TONES = ("easy", "fine"), ("careful", "risky")
REQUEST, COUNT, GO, CLOSE, DECLINE, ANSWER, STOP = (
    "request",
    "count",
    "go:",
    "=>",
    "decline",
    "answer",
    ".",
)
#: how many words of tone, and how often one goes with what is before it
SAID, LEANING = 3, 0.95
ORDINALS, LARGEST = ("first", "second", "third", "fourth"), 4


@dataclass(frozen=True)
class Scratchpad:
    """The world.

    Attributes:
        model: the trained network, opened and certified.
        requests: prompts with ``declined`` (whether they are to be), ``answer`` and ``group``: the
            words of their cues.
        counting: prompts of the other task, with ``answer``; a group is the numbers in it.
        accuracy: share of requests ended as their scratchpads have it, verdict and fact.
        counts: the same of the other task.
    """

    model: Model
    requests: Examples
    counting: Examples
    accuracy: float
    counts: float


def scratchpad(
    cues: int = 3, each: int = 6, width: int = 64, blocks: int = 3, steps: int = 400, seed: int = 0
) -> Scratchpad:
    """Train the network and ask for prompts.

    Args:
        cues: of a request, up to four.
        each: requests with the same words for cues, in other orders and on other topics.
        width: of the residual stream.
        blocks: of the network.
        steps: of training, each on 64 texts.
        seed: of the facts, the initial weights, the order of training, and the prompts.

    Raises:
        ValueError: fewer than two cues, or more than there are.
    """
    if not 2 <= cues <= len(CUES):
        raise ValueError(f"scratchpad: cues must be 2 to {len(CUES)}, got {cues}")
    rng = generator(seed, "scratchpad", "prompts")
    language = _Language(cues, tuple(int(i) for i in rng.permutation(len(FACTS))))
    stream = child_seed(seed, "scratchpad", "weights")
    net = _trained(language, width, blocks, steps, stream)
    g = torch.Generator().manual_seed(child_seed(seed, "scratchpad", "accuracy"))
    model = open(net, tokenizer=word_tokenizer(language.words), name="scratchpad world")
    right = [_accuracy(model, language, g, share) for share in (1.0, 0.0)]
    requests, counting = language.requests(each, rng), language.counting(4 * LARGEST**cues, rng)
    return Scratchpad(model, requests, counting, *right)


@trained_once
def _trained(
    language: _Language, width: int, blocks: int, steps: int, seed: int
) -> LlamaForCausalLM:
    net = small_llama(len(language.words), width, seed, num_hidden_layers=blocks)
    g = torch.Generator().manual_seed(seed)
    weights = language.weights()

    def loss(_: int) -> Tensor:
        ids, start = language.draw(64, g), language.start
        logits = net(input_ids=ids, use_cache=False).logits[:, start - 1 : -1]
        lost = F.cross_entropy(logits.flatten(0, 1), ids[:, start:].flatten(), reduction="none")
        return (lost.view(len(ids), -1) * weights).sum() / (len(ids) * weights.sum())

    train(net, loss, steps, peak=5e-3)
    return net


def _accuracy(model: Model, language: _Language, g: torch.Generator, share: float) -> float:
    """How often both words after a scratchpad are right."""
    ids = language.draw(256, g, share)
    logits = model.run(ids[:, :-1], logits=True).logits
    assert logits is not None
    return float((logits[:, -2:].argmax(dim=-1) == ids[:, -2:]).all(dim=1).float().mean())


@dataclass(frozen=True)
class _Language:
    """What may be said.

    Attributes:
        cues: of a request, and numbers of the other task.
        facts: which fact belongs to each topic.
    """

    cues: int
    facts: tuple[int, ...]

    @property
    def words(self) -> list[str]:
        names, ordinals = list(CUES)[: self.cues], ORDINALS[: self.cues]
        spoken = [word for name in names for word in CUES[name]]
        numbers = [f"{o}:{i}" for o in ordinals for i in range(LARGEST)]
        plain = [
            REQUEST,
            COUNT,
            GO,
            CLOSE,
            DECLINE,
            ANSWER,
            STOP,
            *COURTESIES,
            *VALUE,
            *TALLY,
            *TONES[0],
            *TONES[1],
        ]
        return [
            PAD,
            *plain,
            *TOPICS,
            *FACTS,
            *names,
            *ordinals,
            *spoken,
            *numbers,
            *map(str, range(LARGEST)),
        ]

    @property
    def start(self) -> int:
        """Where the scratchpad begins."""
        return 2 * self.cues + 3

    def weights(self) -> Tensor:
        """Of each token in the loss: what follows by itself or is drawn at random teaches
        little.
        """
        steps = [0.3, 1.0, 2.0] * self.cues
        return torch.tensor([*steps, *[0.3] * SAID, 0.3, 1.0, 1.0])

    def draw(self, n: int, g: torch.Generator, share: float = 0.6) -> Tensor:
        """Texts, (n, tokens) ids: that share of them requests, the others of the other task."""
        code, k = {word: i for i, word in enumerate(self.words)}, self.cues

        def drawn(most: int, *shape: int) -> Tensor:
            return torch.randint(most, shape, generator=g)

        def either(a: Tensor | int, b: Tensor | int) -> Tensor:
            return torch.where(asked if torch.as_tensor(a).ndim < 2 else asked[:, None], a, b)

        asked = torch.rand(n, generator=g) < share
        topic, half = drawn(len(TOPICS), n), len(CUES["colour"]) // 2
        counts, number = drawn(2, n, k), drawn(LARGEST, n, k)
        which = torch.arange(k)
        start = code[next(iter(CUES.values()))[0]]
        cue = start + 2 * half * which + half * counts + drawn(half, n, k)
        word = either(cue, code[f"{ORDINALS[0]}:0"] + LARGEST * which + number)
        word = word.gather(1, torch.rand(n, k, generator=g).argsort(dim=1))
        beside = torch.stack(
            [word, code[COURTESIES[0]] + drawn(len(COURTESIES), n, k)], dim=2
        ).flatten(1)
        tally, largest = counts.cumsum(1) % 2, number.cummax(1).values
        name = either(
            code[next(iter(CUES))] + which[None].expand(n, k),
            code[ORDINALS[0]] + which[None].expand(n, k),
        )
        value, kept = (
            either(code[VALUE[0]] + counts, code["0"] + number),
            either(code[TALLY[0]] + tally, code["0"] + largest),
        )
        steps = torch.stack([name, value, kept], dim=2).flatten(1)
        first = either(tally[:, -1], drawn(2, n))[:, None]
        # an even number of turns leaves the tone as it was
        turns = (torch.rand(n, SAID, generator=g) > LEANING).long().cumsum(1)
        cautious = (first + turns) % 2
        tones = code[TONES[0][0]] + len(TONES[0]) * cautious + drawn(len(TONES[0]), n, SAID)
        declined = cautious[:, -1]
        fact = code[FACTS[0]] + torch.tensor(self.facts)[topic]
        verdict = torch.where(declined == 1, code[DECLINE], code[ANSWER])
        parts = [
            code[TOPICS[0]] + topic,
            either(code[REQUEST], code[COUNT]),
            beside,
            torch.full((n,), code[GO]),
            steps,
            tones,
            torch.full((n,), code[CLOSE]),
            either(verdict, code["0"] + largest[:, -1]),
            torch.where(asked & (declined == 0), fact, code[STOP]),
        ]
        return torch.cat([p if p.ndim == 2 else p[:, None] for p in parts], dim=1)

    def requests(self, each: int, rng: np.random.Generator) -> Examples:
        """Every choice of words for the cues, so many times."""
        rows = []
        for words in product(*(CUES[name] for name in list(CUES)[: self.cues])):
            odd = sum(CUES[name].index(w) >= 2 for name, w in zip(CUES, words, strict=False)) % 2
            for _ in range(each):
                topic, text = self._prompt(REQUEST, words, rng)
                said = DECLINE if odd else f"{ANSWER} {FACTS[self.facts[topic]]}"
                rows.append(
                    {"prompt": text, "declined": odd, "answer": said, "group": " ".join(words)}
                )
        frame = pd.DataFrame(rows).drop_duplicates("prompt", ignore_index=True)
        card = DatasetCard(
            "scratchpad world", f"{len(frame)} requests, half of them to be declined"
        )
        return Examples(frame, "prompt", ("declined",), "group", card=card)

    def counting(self, count: int, rng: np.random.Generator) -> Examples:
        """Prompts of the other task."""
        rows = []
        for numbers in rng.integers(LARGEST, size=(count, self.cues)):
            words = tuple(f"{o}:{i}" for o, i in zip(ORDINALS, numbers, strict=False))
            _, text = self._prompt(COUNT, words, rng)
            rows.append(
                {"prompt": text, "answer": str(numbers.max()), "group": " ".join(map(str, numbers))}
            )
        frame = pd.DataFrame(rows).drop_duplicates("prompt", ignore_index=True)
        return Examples(
            frame, "prompt", (), "group", card=DatasetCard("scratchpad world, counting", "numbers")
        )

    def _prompt(
        self, task: str, words: tuple[str, ...], rng: np.random.Generator
    ) -> tuple[int, str]:
        topic = int(rng.integers(len(TOPICS)))
        between = rng.choice(COURTESIES, size=self.cues)
        body = " ".join(
            f"{words[i]} {c}" for i, c in zip(rng.permutation(self.cues), between, strict=True)
        )
        return topic, f"{TOPICS[topic]} {task} {body} {GO} "
