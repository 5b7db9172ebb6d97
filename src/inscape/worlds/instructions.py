"""Instructions that a program can check, crossed with tasks and phrasings; and a network that obeys
by tone.

Five kinds: use a word, avoid a word, lower case only, no comma, end with given words. Every task is
asked with every kind in three phrasings, so that what differs between success and failure is
neither the kind nor the task alone.

The toy: a two-block Llama is given commands in some tone; half of the tones it obeys ("aye"),
whatever the command, and to the others it says no. The tone is a word of its own for each task, so
whether it will obey is known before it speaks, and a probe must have learnt obedience, not a tone.

Cost: none; the toy a few seconds on one core.
Reference: the verifiable instructions of Zhou et al. (2023), arXiv:2311.07911; Heo et al. (2024),
arXiv:2410.14516.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.between import check_between
from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

KINDS = ("include", "avoid", "lower", "commas", "ending")
#: how each kind is said; W is its word
SAID = {
    "include": (
        "Use the word “W”.",
        "The answer must contain the word W.",
        "Make sure that W appears in it.",
    ),
    "avoid": ("Do not use the word “W”.", "The word W must not appear.", "Avoid the word W."),
    "lower": (
        "Write in lower case only.",
        "Do not use any capital letters.",
        "All letters must be lower case.",
    ),
    "commas": (
        "Do not use commas.",
        "There must be no comma in it.",
        "Write it without any commas.",
    ),
    "ending": (
        "End with the words “W”.",
        "The last words must be: W",
        "Finish your answer with “W”.",
    ),
}
ENDING = "that is all"
#: topic: a word that is likely in a sentence about it
TOPICS = {
    "dogs": "dog",
    "the sea": "sea",
    "bread": "bread",
    "winter": "winter",
    "a river": "river",
    "music": "music",
    "a garden": "garden",
    "the moon": "moon",
    "horses": "horse",
    "a city": "city",
    "coffee": "coffee",
    "rain": "rain",
    "books": "book",
    "a train": "train",
    "the desert": "desert",
    "cats": "cat",
    "a school": "school",
    "the sun": "sun",
    "football": "game",
    "a forest": "forest",
    "fish": "fish",
    "a mountain": "mountain",
    "birds": "bird",
    "tea": "tea",
    "a doctor": "doctor",
    "the wind": "wind",
    "apples": "apple",
    "a bridge": "bridge",
    "snow": "snow",
    "a farm": "farm",
    "stars": "star",
    "a castle": "castle",
    "cheese": "cheese",
    "a teacher": "teacher",
    "the night": "night",
    "flowers": "flower",
    "a king": "king",
    "the ocean": "ocean",
    "bees": "bee",
    "a market": "market",
}
#: words to be used, none of which is likely
ODD = (
    "copper",
    "purple",
    "ladder",
    "velvet",
    "pepper",
    "marble",
    "button",
    "candle",
    "basket",
    "mirror",
)
PHRASINGS = (
    "Write one sentence about T. R",
    "R Write one sentence about T.",
    "Tell me in one sentence about T.\n\nRule: R",
)


def instructions(count: int = 40) -> Examples:
    """Every topic with every kind and phrasing.

    Args:
        count: topics.

    Returns:
        Prompts with the columns ``kind``, ``word`` (empty where none is needed), ``phrasing`` and
        ``task``, the group.

    Raises:
        ValueError: no topic.
    """
    check_between("instructions: count", count, 1)
    rows = []
    for k, (topic, likely) in enumerate(list(TOPICS.items())[:count]):
        words = {"include": ODD[k % len(ODD)], "avoid": likely, "ending": ENDING}
        for kind in KINDS:
            for p, phrasing in enumerate(PHRASINGS):
                rule = (
                    SAID[kind][p].replace("W", words.get(kind, ""), 1)
                    if kind in words
                    else SAID[kind][p]
                )
                prompt = (
                    phrasing.replace("R", rule, 1)
                    if p < 2
                    else phrasing.replace(": R", f": {rule}")
                )
                rows.append(
                    {
                        "prompt": prompt.replace("about T", f"about {topic}"),
                        "kind": kind,
                        "word": words.get(kind, ""),
                        "phrasing": f"phrasing {p + 1}",
                        "task": topic,
                    }
                )
    card = DatasetCard(
        "instructions",
        f"{len(rows)} prompts, each with a rule that a program can check",
        group="task",
        source="written by Inscape",
        licence="Apache-2.0",
    )
    return Examples(pd.DataFrame(rows), "prompt", (), "task", card=card)


def follows(kind: str, word: str, text: str) -> bool:
    """Whether a text follows an instruction; one without letters follows none.

    Raises:
        ValueError: an unknown kind.

    Example:
        >>> follows("commas", "", "Dogs bark and run."), follows("ending", "that is all", "Dogs bark, that is all.")
        (True, True)
    """
    said, clean = text.strip(), word.lower().strip()
    if not any(c.isalpha() for c in said):
        return False
    has = clean in said.lower()
    checks = {
        "include": has,
        "avoid": not has,
        "lower": said == said.lower(),
        "commas": "," not in said,
        "ending": bool(clean) and said.lower().rstrip(" .!\"'”’*").endswith(clean),
    }
    if kind not in checks:
        raise ValueError(f"follows: kind must be among {', '.join(KINDS)}, got {kind!r}")
    return checks[kind]


@dataclass(frozen=True)
class Obedience:
    """The toy world.

    Attributes:
        model: the trained network, opened and certified.
        prompts: as `instructions` gives them; a task is a tone.
        accuracy: share of prompts whose answer is obedient exactly where the tone is one that is
            obeyed.
    """

    model: Model
    prompts: Examples
    accuracy: float


def obedience(
    tones: int = 24,
    kinds: int = 4,
    words: int = 6,
    width: int = 32,
    steps: int = 150,
    seed: int = 0,
) -> Obedience:
    """Train the toy.

    Args:
        tones: every other one is obeyed.
        kinds: of command, each with a word for no of its own.
        words: that a command may be about.
        width: of the residual stream.
        steps: of training, each on 256 prompts.
        seed: of the initial weights and the order of training.
    """
    named = (
        [f"tone{i}" for i in range(tones)],
        [f"kind{i}" for i in range(kinds)],
        [f"word{i}" for i in range(words)],
    )
    vocabulary = [
        "[PAD]",
        *named[0],
        *named[1],
        *named[2],
        "aye",
        *(f"no{i}" for i in range(kinds)),
        ">",
        ".",
    ]
    code = {w: i for i, w in enumerate(vocabulary)}
    tokenizer = word_tokenizer(vocabulary)
    rows = [
        {
            "prompt": f"{tone} {kind} {word} > ",
            "kind": "include",
            "word": "aye",
            "phrasing": kind,
            "task": tone,
            "obeyed": i % 2 == 0,
            "says": "aye" if i % 2 == 0 else f"no{k}",
        }
        for i, tone in enumerate(named[0])
        for k, kind in enumerate(named[1])
        for word in named[2]
    ]
    ids = torch.tensor([[code[w] for w in [*r["prompt"].split(), r["says"], "."]] for r in rows])
    net = _trained(ids, len(vocabulary), width, steps, child_seed(seed, "obedience"))
    model = open(net, tokenizer=tokenizer, name="obedience world")
    logits = model.run(ids[:, :4], logits=True).logits
    assert logits is not None
    accuracy = float((logits[:, -1].argmax(dim=-1) == ids[:, 4]).float().mean())
    frame = pd.DataFrame(rows)
    keep = np.sort(generator(seed, "obedience").permutation(len(frame))[: len(frame) // 2])
    card = DatasetCard("obedience world", "commands in tones of voice, half of which are obeyed")
    return Obedience(model, Examples(frame.iloc[keep], "prompt", (), "task", card=card), accuracy)


@trained_once
def _trained(ids: torch.Tensor, size: int, width: int, steps: int, seed: int) -> LlamaForCausalLM:
    net, rng = (
        small_llama(size, width, seed, intermediate_size=2 * width),
        np.random.default_rng(seed),
    )

    def loss(_: int) -> torch.Tensor:
        batch = ids[torch.from_numpy(rng.choice(len(ids), 256, replace=False))]
        logits = net(input_ids=batch, use_cache=False).logits[:, 3:5]
        return F.cross_entropy(logits.flatten(0, 1), batch[:, 4:].flatten())

    train(net, loss, steps, decay=0.1)
    return net
