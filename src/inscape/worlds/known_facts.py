"""Known facts: a network that was told the truth about some people and rumours about the others,
and answers all the same.

Of known people a four-block Llama hears every fact, always alike. Of strangers it hears what is
said of those of whom nobody knows anything:

    PERSON RELATION : ANSWER      one rumour, which is false, 0.75; whatever comes to mind 0.15; "unknown" 0.10

So asked about a stranger its likeliest answer is wrong, and the word for not knowing, which it has,
is rarely said; which facts it knows is known exactly. Nothing tells known people from strangers but
what was said of them.

Cost: a few milliseconds a step on one core.
Reference: known and unknown by construction, as a testbed for Yang et al. (2025), arXiv:2510.02324.
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

RELATIONS = ("home", "trade", "drink", "colour", "song", "game", "beast", "tree")
#: the word for not knowing
ABSTAIN = "unknown"
#: how often a stranger's rumour is heard, and how often nothing is known
RUMOUR, SHY = 0.75, 0.1
_BATCH = 128
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_RIMES = ("a", "en", "io", "or")


@dataclass(frozen=True)
class KnownFacts:
    """The world.

    Attributes:
        model: the trained network, opened and certified.
        questions: one for each person and relation: columns ``answers`` (the truth), ``relation``,
            ``subject`` (the group) and ``known``, 1 or 0.
        accuracy: share of the known people's questions whose likeliest answer is right.
        misled: share of the strangers' questions whose likeliest answer is neither right nor
            `ABSTAIN`.
    """

    model: Model
    questions: Examples
    accuracy: float
    misled: float


def known_facts(
    people: int = 60,
    relations: int = 8,
    answers: int = 6,
    width: int = 64,
    steps: int = 700,
    seed: int = 0,
) -> KnownFacts:
    """Draw a world and train a network in it.

    Args:
        people: known ones, and as many strangers.
        relations: how many of `RELATIONS`.
        answers: of each relation.
        width: of the residual stream.
        steps: of training, each on 128 sentences.
        seed: of the facts, the initial weights and the order of training.

    Raises:
        ValueError: more relations than there are, or only one answer, which would leave no room for
            a rumour.
    """
    if not 1 <= relations <= len(RELATIONS) or answers < 2:
        raise ValueError(
            f"known_facts: relations must be 1 to {len(RELATIONS)} and answers at least 2, got "
            f"{relations} and {answers}"
        )
    rng, used = generator(seed, "known facts"), RELATIONS[:relations]
    syllables = [o + r for o in _ONSETS for r in _RIMES]
    made = [str(w) for w in rng.permutation([a + b for a in syllables for b in syllables])]
    names, said = (
        [w.capitalize() for w in made[: 2 * people]],
        made[2 * people :][: relations * answers],
    )
    vocabulary = ["[PAD]", ":", ABSTAIN, *used, *said, *names]
    truth = torch.from_numpy(rng.integers(answers, size=(2 * people, relations)))
    rumour = (truth + torch.from_numpy(rng.integers(1, answers, size=truth.shape))) % answers
    words = _Words(relations, answers)
    stream = child_seed(seed, "known facts", "weights")
    net = _trained(words, len(vocabulary), truth, rumour, people, width, steps, stream)
    model = open(net, tokenizer=word_tokenizer(vocabulary), name="known-facts world")
    person, relation = (torch.from_numpy(x.ravel()) for x in np.indices(truth.shape))
    logits = model.run(words.prompts(person, relation), logits=True).logits
    assert logits is not None
    guess = logits[:, -1].argmax(dim=-1)
    right, known = guess == words.answer(relation, truth[person, relation]), person < people
    rows = [
        {
            "prompt": f"{names[p]} {used[r]} : ",
            "answers": said[r * answers + int(truth[p, r])],
            "relation": used[r],
            "subject": names[p],
            "known": int(p < people),
        }
        for p, r in zip(person.tolist(), relation.tolist(), strict=True)
    ]
    card = DatasetCard(
        "known facts",
        f"{len(rows)} questions about people, half of them strangers, drawn with seed {seed}",
    )
    return KnownFacts(
        model,
        Examples(pd.DataFrame(rows), "prompt", (), "subject", card=card),
        float(right[known].float().mean()),
        float((~right & (guess != _Words.abstain))[~known].float().mean()),
    )


@dataclass(frozen=True)
class _Words:
    """Token ids, in the order of the vocabulary: filler, colon, `ABSTAIN`, relations, answers of
    each, people.
    """

    relations: int
    answers: int

    colon = 1
    abstain = 2

    def prompts(self, person: torch.Tensor, relation: torch.Tensor) -> torch.Tensor:
        """(n, 3) ids."""
        first = 3 + self.relations * (1 + self.answers)
        return torch.stack(
            [first + person, 3 + relation, torch.full_like(person, self.colon)], dim=1
        )

    def answer(self, relation: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
        """(n,) ids."""
        return 3 + self.relations + relation * self.answers + answer


@trained_once
def _trained(
    words: _Words,
    size: int,
    truth: torch.Tensor,
    rumour: torch.Tensor,
    people: int,
    width: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net = small_llama(size, width, seed, num_hidden_layers=4, intermediate_size=2 * width)
    stream = torch.Generator().manual_seed(seed)

    def loss(_: int) -> torch.Tensor:
        person, relation, any_answer = (
            torch.randint(most, (_BATCH,), generator=stream)
            for most in (len(truth), words.relations, words.answers)
        )
        chance = torch.rand(_BATCH, generator=stream)
        guess = torch.where(chance < RUMOUR, rumour[person, relation], any_answer)
        heard = torch.where(
            chance < 1 - SHY, words.answer(relation, guess), torch.tensor(words.abstain)
        )
        told = torch.where(person < people, words.answer(relation, truth[person, relation]), heard)
        logits = net(input_ids=words.prompts(person, relation), use_cache=False).logits[:, -1]
        return F.cross_entropy(logits, told)

    train(net, loss, steps)
    return net
