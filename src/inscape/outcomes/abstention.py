"""Abstention: does a model answer rightly, wrongly, or say that it does not know?

An answer abstains if one of the words for not knowing occurs in it as whole words; else it is right
or wrong as `inscape.data.answers.locate` finds; one without letters or digits is none of the three.
What a model greedily says can be asked under edits that give each question's last token a row of
its own: steering that is told what to do with each.

Cost: continuations of the questions. Reference: Yang et al. (2025), arXiv:2510.02324, for counting
confident wrong answers beside accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from inscape.core.edit import Add, Edit, Scope
from inscape.core.errors import DataError
from inscape.core.folds import group_codes
from inscape.data.answers import find, graded
from inscape.data.examples import Examples
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.generations import generations

#: rows of what `Judge` gives
SAID = ("right", "wrong", "abstains")
RIGHT, WRONG, ABSTAINS = range(3)
#: what may be held out
PEOPLE, RELATION = "people held out", "relation held out"


@dataclass(frozen=True)
class Judge:
    """How answers are made and told apart.

    Attributes:
        abstain: words for not knowing.
        tokens: of an answer at most.
        stop: characters that end one.
    """

    abstain: tuple[str, ...]
    tokens: int
    stop: str

    def said(self, questions: Examples, texts: Sequence[str]) -> Bool[np.ndarray, "3 n"]:
        """Which of `SAID` each text is.

        Args:
            questions: with the column ``answers``, spellings separated by ``|``.
            texts: one answer each.
        """
        abstains = np.array(
            [any(find(text, word) for word in self.abstain) for text in texts], dtype=bool
        )
        right = graded(texts, questions.frame["answers"]) & ~abstains
        words = np.array([any(c.isalnum() for c in text) for text in texts], dtype=bool)
        return np.stack([right, words & ~right & ~abstains, abstains])

    def ask(
        self,
        model: Model,
        questions: Examples,
        edits: Callable[[np.ndarray], list[Edit]] | None = None,
    ) -> Bool[np.ndarray, "3 n"]:
        """What the model greedily says to each question, under edits made for the questions of a
        batch."""
        made = continuations(
            model, questions.texts(), self.tokens, stop=self.stop, edits=edits or ()
        )
        return self.said(questions, [m[0].text for m in made])


@dataclass(frozen=True, eq=False)
class KnownAndUnknown:
    """Questions, which of them a model knows, and which are tested.

    Attributes:
        questions: all of them, with a group and the column ``answers``.
        unknown: which the model does not know.
        train: rows that are trained on.
        test: name of a test → its rows.
    """

    questions: Examples
    unknown: Bool[np.ndarray, " n"]
    train: Int[np.ndarray, " train"]
    test: Mapping[str, Int[np.ndarray, " test"]]

    @cached_property
    def rows(self) -> Int[np.ndarray, " tested"]:
        """Rows of all tests, one test after another: those that are asked."""
        return np.concatenate(list(self.test.values()))

    @cached_property
    def tested(self) -> Examples:
        """The questions of all tests."""
        return self.questions.take(self.rows)

    def part(self, test: str, unknown: bool) -> Int[np.ndarray, " m"]:
        """Which of the tested questions are of this test and unknown, or known."""
        of = np.repeat(list(self.test), [len(rows) for rows in self.test.values()])
        return np.flatnonzero((of == test) & (self.unknown[self.rows] == unknown))

    def target_words(self, abstain: str) -> list[str]:
        """What a model is to say to each training question, with its space: the first spelling of
        the answer, or the word for not knowing.

        Args:
            abstain: that word.
        """
        train = self.questions.take(self.train)
        answers = train.frame["answers"].astype(str)
        return [
            ("" if prompt.endswith((" ", "\n")) else " ")
            + (abstain if unknown else answer.split("|")[0])
            for prompt, unknown, answer in zip(
                train.texts(), self.unknown[self.train], answers, strict=True
            )
        ]


def shifted(site: str, rows: Float[np.ndarray, "n d"]) -> Callable[[np.ndarray], list[Edit]]:
    """Edits that add its own row to the last token of each question, for `Judge.ask`."""
    added = torch.from_numpy(rows.astype(np.float32))[:, None]
    return lambda batch: [Add(Scope(site, "last"), added[torch.from_numpy(batch)])]


def balanced(said: Bool[np.ndarray, "3 n"], unknown: Bool[np.ndarray, " n"]) -> float:
    """Share of unknown questions abstained from and share of known ones answered rightly, the mean
    of the two."""
    parts = [
        said[k][rows].mean() for k, rows in ((ABSTAINS, unknown), (RIGHT, ~unknown)) if rows.any()
    ]
    return float(np.mean(parts)) if parts else 0.0


def shares_said(
    answers: Mapping[str, Sequence[Bool[np.ndarray, "3 n"]]],
    parts: Mapping[str, Int[np.ndarray, " m"]],
) -> pd.DataFrame:
    """How often each condition's answers are right, wrong or abstain: ``row`` (the condition),
    ``column``, ``value``.

    Args:
        answers: condition → `Judge.ask` of each of its draws.
        parts: ``"known"`` and ``"unknown"`` → which questions are; right answers to unknown ones
            are left out, since there are hardly any.
    """
    cells = [
        {"row": name, "column": f"{kind}, {word}"}
        | {"value": float(np.mean([said[k][rows].mean() for said in draws]))}
        for kind, rows in parts.items()
        for name, draws in answers.items()
        for k, word in enumerate(SAID)
        if (kind, word) != ("unknown", "right")
    ]
    return pd.DataFrame(cells)


def unknown_by_samples(
    model: Model,
    judge: Judge,
    questions: Examples,
    *,
    samples: int,
    temperature: float,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> Bool[np.ndarray, " n"]:
    """Which questions a model does not know: fewer than half of its sampled answers are right.

    Args:
        model: answers.
        judge: how answers are made and told apart.
        questions: with the column ``answers``.
        samples: answers to each.
        temperature: of the samples.
        seed: of the samples.
        advance: told how many more questions are done.
    """
    made = generations(
        model,
        questions.texts(),
        judge.tokens,
        samples=samples,
        stop=judge.stop,
        temperature=temperature,
        seed=seed,
        advance=advance,
    )
    right = [judge.said(questions, [m[k].text for m in made])[RIGHT] for k in range(samples)]
    return np.mean(right, axis=0) < 0.5


def people_and_relation(
    questions: Examples,
    unknown: Bool[np.ndarray, " n"],
    held: str,
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " train"], dict[str, Int[np.ndarray, " test"]]]:
    """Each group (a person) is in training or test; one relation is in the test alone.

    Args:
        questions: with a group and the column ``relation``.
        unknown: which are not known.
        held: the relation held out; empty for that of the last row.
        rng: deals the groups.

    Returns:
        Training rows, and the rows of the tests `PEOPLE` and `RELATION`.

    Raises:
        DataError: no such relation, no other one, or a part whose questions are all known or all
            unknown.
    """
    relation = questions.frame["relation"].astype(str).to_numpy()
    groups, held = group_codes(questions.groups()), held or str(relation[-1])
    if held not in relation or len(set(relation)) < 2:
        names = ", ".join(sorted(set(relation)))
        raise DataError(
            f"there is no relation {held!r} to hold out beside another one; there are: {names}."
        )
    half = rng.permutation(int(groups.max()) + 1) % 2 == 0
    train = np.flatnonzero(half[groups] & (relation != held))
    new = ~np.isin(groups, groups[train])
    test = {
        PEOPLE: np.flatnonzero(new & (relation != held)),
        RELATION: np.flatnonzero(new & (relation == held)),
    }
    for name, rows in {"training": train, **test}.items():
        if unknown[rows].all() or not unknown[rows].any():
            raise DataError(
                f"{name}: the {len(rows)} questions are all known or all unknown to the model; "
                "ask others."
            )
    return train, test
