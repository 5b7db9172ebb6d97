"""Questions about many subjects, the logits of their answers, and which answer of one implies which of another.

A table has a row for each answer: columns ``question``, ``template`` (with {} for the subject), ``answer`` and ``links``
(``question=answer`` parted by semicolons). Answers are told apart by their first token; of two that share it the first
stays.
Cost: one forward pass for each subject and question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.core.errors import DataError
from inscape.data.columns import check_present
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.passes import passes
from inscape.outcomes.relation_prompts import first_token


@dataclass(frozen=True, eq=False)
class Question:
    """One question.

    Attributes:
        name: what it is called.
        template: with {} for the subject.
        answers: those told apart.
        tokens: first token of each, (k,).
        links: question → pairs (own answer, its answer) that go together, (m, 2).
    """

    name: str
    template: str
    answers: tuple[str, ...]
    tokens: Int[np.ndarray, " k"]
    links: Mapping[str, Int[np.ndarray, "m 2"]]


def questions(model: Model, table: Examples) -> dict[str, Question]:
    """The questions of a table, answers as the model's tokens.

    Raises:
        DataError: a column is missing, or a question has one answer only.
    """
    for name in ("question", "template", "answer", "links"):
        check_present(table.frame, name)
    parts: dict[str, pd.DataFrame] = {}
    for name, rows in table.frame.groupby("question", sort=False):
        rows = rows.assign(token=[first_token(model, a) for a in rows["answer"]]).drop_duplicates(
            "token"
        )
        if len(rows) < 2:
            raise DataError(
                f"the question {name!r} has {len(rows)} answers that differ in their first token; give two."
            )
        parts[str(name)] = rows
    places = {name: {a: i for i, a in enumerate(rows["answer"])} for name, rows in parts.items()}
    out = {}
    for name, rows in parts.items():
        links: dict[str, list[tuple[int, int]]] = {}
        for i, text in enumerate(rows["links"]):
            for link in filter(None, str(text).split(";")):
                to, _, answer = link.partition("=")
                if answer in places.get(to, {}):
                    links.setdefault(to, []).append((i, places[to][answer]))
        out[name] = Question(
            name,
            str(rows["template"].iloc[0]),
            tuple(rows["answer"]),
            rows["token"].to_numpy(dtype=np.int64, copy=True),
            {to: np.array(pairs, dtype=np.int64) for to, pairs in links.items()},
        )
    return out


def pairs(found: Mapping[str, Question]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of questions that are linked, and pairs that no chain of links joins."""
    linked = [(a, b) for a, q in found.items() for b in q.links]
    theme = {name: {name} for name in found}
    for a, b in linked:
        joined = theme[a] | theme[b]
        for name in joined:
            theme[name] = joined
    return linked, [(a, b) for a in found for b in found if b not in theme[a] and found[a].links]


def answer_logits(
    model: Model,
    question: Question,
    subjects: Sequence[str],
    tokens: Int[np.ndarray, " k"] | None = None,
) -> Float[np.ndarray, "n k"]:
    """Logits of a question's answers (or of other tokens) for every subject.

    Args:
        model: whom.
        question: asked of each subject.
        subjects: names.
        tokens: in place of its answers' own.
    """
    texts = load(pd.DataFrame({"text": [question.template.format(s) for s in subjects]}))
    columns = question.tokens if tokens is None else tokens
    out = np.empty((len(subjects), len(columns)))
    for step in passes(model, texts, logits=True):
        assert step.activations.logits is not None
        out[step.rows] = step.activations.logits[:, 0][:, columns].double().cpu().numpy()
    return out


def people(count: int, *, rng: np.random.Generator) -> list[str]:
    """Names that are nobody's in particular: first names of the built-in relations with common surnames.

    Raises:
        DataError: more than there are.
    """
    frame = load("relations").frame
    first = frame.loc[frame["relation"] == "name gender", "subject"].tolist()
    every = [f"{a} {b}" for a in first for b in SURNAMES]
    if count > len(every):
        raise DataError(
            f"there are {len(every)} made-up names, and {count} were asked for; ask for fewer."
        )
    return [str(name) for name in rng.permutation(every)[:count]]


def each(
    found: Mapping[str, Question], work: Callable[[Question], np.ndarray]
) -> dict[str, np.ndarray]:
    """`work` for every question, by name."""
    return {name: work(question) for name, question in found.items()}


SURNAMES = (
    "Adams Allen Baker Bell Brown Butler Carter Clark Collins Cook Cooper Cox Davis Edwards Evans Foster Gray Green "
    "Hall Harris Hill Howard Hughes Jackson Johnson Jones Kelly King Lewis Long Martin Miller Mitchell Moore Morgan "
    "Morris Murphy Nelson Parker Perry Phillips Powell Price Reed Roberts Rogers Ross Russell Scott Smith Stewart "
    "Taylor Thomas Turner Walker Ward Watson White Williams Wilson Wood Wright Young "
).split()
