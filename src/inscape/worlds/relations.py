"""Relations: people with a city, its country and language, a job and a pet, and a small network
that knows all of them.

A person is one made-up word. City, job and pet are drawn; country and language follow from the
city, so the answers to those questions are tied through the world and those about job and pet to
nothing. A two-block Llama is trained to end "the city of zuba is" and the like. What must then
hold: each relation is nearly affine in the person's state, the tie from cities to countries shows
in a linear map of logits, and an untrained network has neither.

Cost: a few seconds on one core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

TEMPLATE = "the {} of {} is"
#: relation → how many objects it has
OBJECTS = {"city": 12, "country": 4, "language": 2, "job": 6, "pet": 6}
#: relation → the one whose object decides its own
FOLLOWS = {"country": "city", "language": "country"}


@dataclass(frozen=True, eq=False)
class Relations:
    """A world of people and a network that knows it.

    Attributes:
        model: the trained network, opened and certified.
        examples: every question with its answer; columns as in the built-in set ``relations``.
        ties: relation → object of each object of the relation it follows: the country of every
            city.
        accuracy: share of questions that the network answers.
    """

    model: Model
    examples: Examples
    ties: dict[str, Int[np.ndarray, " objects"]]
    accuracy: float

    def linked(self) -> Examples:
        """The questions with all of their answers, and which answer of one implies which of
        another.

        Columns are as in the built-in set ``linked-questions``.
        """
        frame = self.examples.frame[["relation", "template", "object"]].drop_duplicates()
        frame = frame.sort_values(["relation", "object"]).reset_index(drop=True)
        frame = frame.rename(columns={"relation": "question", "object": "answer"})
        frame["links"], frame["text"] = "", frame["answer"]
        for to, of in FOLLOWS.items():
            for row in np.flatnonzero(frame["question"] == of):
                number = int(frame.loc[row, "answer"].removeprefix(of))
                frame.loc[row, "links"] = f"{to}={to}{self.ties[to][number]}"
        return load(frame, input="text", labels=["answer"], group="question")


def relations(people: int = 60, width: int = 48, steps: int = 120, seed: int = 0) -> Relations:
    """Draw a world and train a network in it.

    Args:
        people: how many.
        width: of the residual stream.
        steps: of training, each over every question.
        seed: of the world and of the initial weights.
    """
    rng = generator(seed, "relations", "world")
    syllables = [o + v for o in "bdfgklmnprstvz" for v in "aeiou"]
    names = [f"{a}{b}" for a in syllables for b in syllables if a != b]
    subjects = [str(w) for w in rng.permutation(names)[:people]]
    ties = {r: rng.permutation(np.arange(OBJECTS[of]) % OBJECTS[r]) for r, of in FOLLOWS.items()}
    truth = {
        r: rng.permutation(np.arange(people) % k) for r, k in OBJECTS.items() if r not in FOLLOWS
    }
    for r, of in FOLLOWS.items():
        truth[r] = ties[r][truth[of]]
    rows = [
        {"relation": r, "subject": s, "object": f"{r}{o}", "template": TEMPLATE.replace("{}", r, 1)}
        for r in OBJECTS
        for s, o in zip(subjects, truth[r], strict=True)
    ]
    frame = pd.DataFrame(rows)
    frame["text"] = [t.format(s) for t, s in zip(frame["template"], frame["subject"], strict=True)]
    frame["subject_start"] = frame["template"].map(lambda t: t.index("{}"))
    frame["subject_end"] = frame["subject_start"] + frame["subject"].map(len)
    answers = [f"{r}{o}" for r, k in OBJECTS.items() for o in range(k)]
    vocabulary = ["[PAD]", "the", "of", "is", *OBJECTS, *answers, *sorted(subjects)]
    tokenizer = word_tokenizer(vocabulary)
    ids = torch.tensor(tokenizer(frame["text"].tolist())["input_ids"])
    target = torch.tensor([vocabulary.index(o) for o in frame["object"]])
    stream = child_seed(seed, "relations", "weights")
    net = _trained(ids, target, len(vocabulary), width, steps, stream)
    model = open(net, tokenizer=tokenizer, name="relations world")
    found = model.run(ids, logits=True, at=torch.full((len(ids), 1), ids.shape[1] - 1)).logits
    assert found is not None
    card = DatasetCard(
        "relations-world", f"{len(frame)} questions about {people} made-up people, seed {seed}"
    )
    spans = {"subject": ("subject_start", "subject_end")}
    examples = Examples(frame, "text", ("object",), "subject", spans, card)
    return Relations(
        model, examples, ties, float((found[:, 0].argmax(-1) == target).float().mean())
    )


@trained_once
def _trained(
    ids: torch.Tensor, target: torch.Tensor, size: int, width: int, steps: int, seed: int
) -> LlamaForCausalLM:
    net = small_llama(size, width, seed, intermediate_size=3 * width)

    def loss(_: int) -> torch.Tensor:
        return F.cross_entropy(net(input_ids=ids, use_cache=False).logits[:, -1], target)

    train(net, loss, steps)
    return net
