"""Questions about many subjects, the logits of their answers, and which answer of one implies which
of another.

A table has a row for each answer: columns ``question``, ``template`` (with {} for the subject),
``answer`` and ``links`` (``question=answer`` parted by semicolons). Answers are told apart by their
first token; of two that share it the first stays.
Cost: one forward pass for each subject and question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.special import log_softmax

from inscape.core.errors import DataError
from inscape.core.evidence import Evidence
from inscape.core.measured import Measured, Role
from inscape.data.columns import check_present
from inscape.data.examples import Examples
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.passes import passes
from inscape.outcomes.relation_prompts import first_token
from inscape.read.logit_map import LogitMap, held_out_r, without_first_component

SHUFFLED, NO_FIRST, OTHER = "subjects shuffled", "without first component", "random tokens"


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
                f"the question {name!r} has {len(rows)} answers that differ in their first token; "
                "give two."
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
    """Names that are nobody's in particular: first names of the built-in relations with common
    surnames.

    Raises:
        DataError: more than there are, or fewer than 1.
    """
    frame = load("relations").frame
    first = frame.loc[frame["relation"] == "name gender", "subject"].tolist()
    every = [f"{a} {b}" for a in first for b in SURNAMES]
    if not 1 <= count <= len(every):
        raise DataError(
            f"there are {len(every)} made-up names, and {count} were asked for; ask for 1 to "
            f"{len(every)}."
        )
    return [str(name) for name in rng.permutation(every)[:count]]


@dataclass(frozen=True, eq=False)
class Polled:
    """Questions that were asked of everyone.

    Attributes:
        model: whom.
        questions: by name.
        subjects: of whom.
        logits: question → logits of its answers, (n, k).
    """

    model: Model
    questions: Mapping[str, Question]
    subjects: Sequence[str]
    logits: Mapping[str, Float[np.ndarray, "n _"]]

    def ties(
        self,
        kinds: Mapping[tuple[str, str], str],
        train: Bool[np.ndarray, " n"],
        shuffles: int,
        *,
        rng: np.random.Generator,
    ) -> pd.DataFrame:
        """Held-out r of pairs of questions under every condition, the mean over the second
        question's answers.

        Args:
            kinds: pair of questions → its kind, which is the condition in which nothing is changed.
            train: subjects that maps are fitted on.
            shuffles: of the subjects.
            rng: of shuffles and random tokens.

        Returns:
            ``pair``, ``kind``, ``condition`` (the kind, `NO_FIRST`, `OTHER`, `SHUFFLED`), ``draw``,
            ``r``.
        """
        vocabulary, rows = int(self.model.atlas.head.weight.shape[0]), []  # type: ignore[union-attr, operand, index]
        random, logits = {}, self.logits
        for name, question in self.questions.items():
            drawn = rng.integers(vocabulary, size=min(len(question.tokens), 40))
            random[name] = answer_logits(self.model, question, self.subjects, drawn)
        plain = {name: without_first_component(y, train) for name, y in logits.items()}
        for (a, b), kind in kinds.items():
            pairs = [
                (kind, 0, logits[a], logits[b]),
                (NO_FIRST, 0, plain[a], plain[b]),
                (OTHER, 0, logits[a], random[b]),
            ]
            orders = [rng.permutation(len(self.subjects)) for _ in range(shuffles)]
            pairs += [(SHUFFLED, k, logits[a][o], logits[b]) for k, o in enumerate(orders)]
            rows += [(f"{a} → {b}", kind, c, k, held_out_r(x, y, train)) for c, k, x, y in pairs]
        return pd.DataFrame(rows, columns=["pair", "kind", "condition", "draw", "r"])


class Ties(NamedTuple):
    """How tied two kinds of pairs are, over pairs.

    Attributes:
        own: held-out r of the first kind; null: subjects shuffled.
        gap: by how much it is above the second; null: the same with subjects shuffled.
        shuffled: r with subjects shuffled, over all pairs and shuffles.
        farthest: the largest |r| of one pair and shuffle.
        bars: a row for each pair, ready to be drawn: ``group`` (pair and kind), its r as ``value``,
            ``low`` and ``high`` (one number has no interval), and ``null``, its mean r with subjects
            shuffled.
    """

    own: Evidence
    gap: Evidence
    shuffled: Evidence
    farthest: float
    bars: pd.DataFrame


def compared(scores: pd.DataFrame, kind: str, other: str) -> Ties:
    """Pairs of one kind against pairs of another.

    Args:
        scores: as `Polled.ties` gives them.
        kind: the kind of pair.
        other: the kind that it is compared with.
    """
    own = scores[scores["condition"].isin((kind, other))]
    mixed = scores[scores["condition"] == SHUFFLED]
    draws = mixed.pivot(index="draw", columns="pair", values="r")[own["pair"]].to_numpy()
    inside = {k: (own["kind"] == k).to_numpy(dtype=np.float64) for k in (kind, other)}
    m, gap = (Measured("held-out r", unit="Pearson's r", kind=k) for k in ("ratio", "mean"))
    roles: dict[str, Role] = {kind: "treatment", other: "baseline"}
    for k, role in roles.items():
        m.put(k, own["r"].to_numpy() * inside[k], inside[k], role=role)
        gap.put_statistic(k, m.conditions[k].mean, role=role)
    m.put(SHUFFLED, draws * inside[kind], inside[kind], role="null")
    chance = [draws[:, inside[k] > 0].mean(axis=1) for k in (kind, other)]
    gap.put_draws(SHUFFLED, chance[0] - chance[1])
    every = Measured("mean r with subjects shuffled", unit="Pearson's r")
    every.put(SHUFFLED, draws, role="null")
    ends = dict.fromkeys(("value", "low", "high"), own["r"])
    group = own["pair"] + " (" + own["kind"] + ")"
    return Ties(
        m.value(kind, null=SHUFFLED),
        gap.gain(kind, over=other, null=SHUFFLED),
        every.value(SHUFFLED),
        float(np.abs(draws).max()),
        pd.DataFrame({"group": group, **ends, "null": draws.mean(axis=0)}),
    )


def row_peaks(
    fitted: LogitMap,
    source: Question,
    target: Question,
    right: Bool[np.ndarray, " m"],
    count: int = 5,
) -> pd.DataFrame:
    """What each linked row of a map peaks at.

    Args:
        fitted: the map from one question's answers to the other's.
        source, target: the questions, of which the first has links to the second.
        right: whether the map has each link right.
        count: columns named, largest first.

    Returns:
        The first question's answer, ``implies``, ``right``, ``row peaks at``.
    """
    links = source.links[target.name]
    top = np.argsort(-(fitted.weight - fitted.weight.mean(axis=0)), axis=1)[:, :count]
    columns = {
        source.name: [source.answers[i] for i, _ in links],
        "implies": [target.answers[j] for _, j in links],
        "right": right,
        "row peaks at": [", ".join(target.answers[j] for j in top[i]) for i, _ in links],
    }
    return pd.DataFrame(columns)


def change(
    before: Model, after: Model, question: Question, subjects: Sequence[str]
) -> Float[np.ndarray, "n k"]:
    """Change of log-probability among a question's answers from one model to another, in nats.

    Args:
        before, after: the models.
        question: asked of each subject.
        subjects: names.
    """
    old, new = (log_softmax(answer_logits(m, question, subjects), axis=1) for m in (before, after))
    return new - old


def poll(
    model: Model,
    questions: Mapping[str, Question],
    subjects: Sequence[str],
    advance: Callable[[], object] | None = None,
) -> Polled:
    """Ask everyone everything.

    Args:
        model: a language model.
        questions: by name.
        subjects: names.
        advance: called after each question.
    """
    logits = {}
    for name, question in questions.items():
        logits[name] = answer_logits(model, question, subjects)
        if advance is not None:
            advance()
    return Polled(model, questions, subjects, logits)


SURNAMES = (
    "Adams Allen Baker Bell Brown Butler Carter Clark Collins Cook Cooper Cox Davis Edwards Evans "
    "Foster Gray Green Hall Harris Hill Howard Hughes Jackson Johnson Jones Kelly King Lewis Long "
    "Martin Miller Mitchell Moore Morgan Morris Murphy Nelson Parker Perry Phillips Powell Price "
    "Reed Roberts Rogers Ross Russell Scott Smith Stewart Taylor Thomas Turner Walker Ward Watson "
    "White Williams Wilson Wood Wright Young "
).split()
