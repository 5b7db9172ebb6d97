"""Hearsay: a network that says what is said most often, and knows better.

Every subject has a right answer. Of a sound subject the right answer is also the one most often
heard; of a slandered one a wrong answer is. A two-block Llama is trained on what is heard, each
answer followed by a verdict, which is always just:

    TASK SUBJECT ? ANSWER VERDICT            P(most heard) = 0.6, every other answer alike

So the likeliest answer is right for half of the subjects and equally likely for all; whether it is
right is computed where the answer stands, not before; a sample that is judged right is right
although the likeliest is not. Each task has verdicts of its own, so what reads one task does not
read another.

Cost: a few seconds on one core.
"""

from __future__ import annotations

from collections.abc import Iterable
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

#: task → verdicts on a right and on a wrong answer; all of them end an answer
TASKS = {"stars": (".", "!"), "herbs": (";", ":"), "songs": ("/", "\\")}
STOP = ".!;:/\\"
FORMS = ("of", "about", "regarding")
HEARD = 0.6
_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_RIMES = ("a", "en", "io", "or")


@dataclass(frozen=True)
class Hearsay:
    """The world.

    Attributes:
        model: the trained network, opened and certified.
        questions: prompts with the columns of `inscape.worlds.quiz.quiz`; the group is the subject.
        accuracy: share of verdicts that are just, over all subjects and answers.
    """

    model: Model
    questions: Examples
    accuracy: float


def hearsay(
    subjects: int = 36, answers: int = 6, width: int = 32, steps: int = 300, seed: int = 0
) -> Hearsay:
    """Draw a world and train a network in it.

    Args:
        subjects: of each task; every other one is slandered.
        answers: of each task.
        width: of the residual stream.
        steps: of training, each on 256 sentences.
        seed: of the words, the initial weights and the order of training.

    Returns:
        The world, the network and how well it judges.
    """
    rng = generator(seed, "hearsay", "words")
    syllables = [o + r for o in _ONSETS for r in _RIMES]
    made = [str(w) for w in rng.permutation([a + b for a in syllables for b in syllables])]
    t = len(TASKS)
    names, said = made[: t * subjects], made[t * subjects : t * (subjects + answers)]
    right = rng.integers(answers, size=(t, subjects))
    heard = np.where(
        np.arange(subjects) % 2 == 0,
        right,
        (right + rng.integers(1, answers, (t, subjects))) % answers,
    )
    vocabulary = [
        "[PAD]",
        *TASKS,
        *FORMS,
        "?",
        *(v for pair in TASKS.values() for v in pair),
        *said,
        *names,
    ]
    code = {word: i for i, word in enumerate(vocabulary)}
    tokenizer = word_tokenizer(vocabulary)
    words, truth = _Words.of(code, names, said), torch.from_numpy(right)
    stream = child_seed(seed, "hearsay", "weights")
    net = _trained(words, len(code), truth, torch.from_numpy(heard), width, steps, stream)
    model = open(net, tokenizer=tokenizer, name="hearsay world")
    rows = [
        {
            "prompt": f"{task} {form} {names[k * subjects + s]} ? ",
            "answers": said[k * answers + right[k, s]],
            "others": "|".join(said[k * answers + a] for a in range(answers) if a != right[k, s]),
            "task": task,
            "form": form,
            "subject": names[k * subjects + s],
            "group": names[k * subjects + s],
        }
        for k, task in enumerate(TASKS)
        for s in range(subjects)
        for form in FORMS
    ]
    card = DatasetCard(
        "hearsay world", f"{len(rows)} questions about made-up subjects, drawn with seed {seed}"
    )
    questions = Examples(pd.DataFrame(rows), "prompt", (), "group", card=card)
    return Hearsay(model, questions, _accuracy(model, words, truth))


@dataclass(frozen=True)
class _Words:
    """Token ids of every word: verdicts (tasks, 2), names (tasks, subjects), answers (tasks,
    answers).
    """

    tasks: torch.Tensor
    forms: torch.Tensor
    mark: int
    names: torch.Tensor
    said: torch.Tensor
    verdicts: torch.Tensor

    @classmethod
    def of(cls, code: dict[str, int], names: list[str], said: list[str]) -> _Words:
        def ids(words: Iterable[str]) -> torch.Tensor:
            return torch.tensor([code[w] for w in words])

        t = len(TASKS)
        verdicts = torch.stack([ids(pair) for pair in TASKS.values()])
        return cls(
            ids(TASKS),
            ids(FORMS),
            code["?"],
            ids(names).view(t, -1),
            ids(said).view(t, -1),
            verdicts,
        )

    def sentences(
        self,
        task: torch.Tensor,
        subject: torch.Tensor,
        form: torch.Tensor,
        answer: torch.Tensor,
        just: torch.Tensor,
    ) -> torch.Tensor:
        """(n, 6) ids; `just` says whether the answer is right."""
        mark = torch.full_like(task, self.mark)
        verdict = self.verdicts[task, (~just).long()]
        parts = [
            self.tasks[task],
            self.forms[form],
            self.names[task, subject],
            mark,
            self.said[task, answer],
            verdict,
        ]
        return torch.stack(parts, dim=1)


@trained_once
def _trained(
    words: _Words,
    size: int,
    right: torch.Tensor,
    heard: torch.Tensor,
    width: int,
    steps: int,
    seed: int,
) -> LlamaForCausalLM:
    net = small_llama(size, width, seed)
    stream, answers = torch.Generator().manual_seed(seed), words.said.shape[1]

    def draw(most: int, least: int = 0) -> torch.Tensor:
        return torch.randint(least, most, (256,), generator=stream)

    def loss(_: int) -> torch.Tensor:
        task, subject = draw(len(TASKS)), draw(right.shape[1])
        most = heard[task, subject]
        other = (most + draw(answers, 1)) % answers
        answer = torch.where(torch.rand(256, generator=stream) < HEARD, most, other)
        ids = words.sentences(
            task, subject, draw(len(FORMS)), answer, answer == right[task, subject]
        )
        logits = net(input_ids=ids, use_cache=False).logits[:, 3:5]
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 4:].flatten())

    train(net, loss, steps)
    return net


def _accuracy(model: Model, words: _Words, right: torch.Tensor) -> float:
    shape = (*right.shape, words.said.shape[1])
    task, subject, answer = (torch.from_numpy(x.ravel()) for x in np.indices(shape))
    ids = words.sentences(
        task, subject, torch.zeros_like(task), answer, answer == right[task, subject]
    )
    logits = model.run(ids[:, :-1], logits=True).logits
    assert logits is not None
    return float((logits[:, -1].argmax(dim=-1) == ids[:, -1]).float().mean())
