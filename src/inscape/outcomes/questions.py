"""Questions asked of a language model, its answers graded, and the tokens of an answer found again.

Each question is answered greedily (and by samples, where asked). An answered text is the prompt
with the continuation, and carries four spans, each of one character and so of one token: ``prompt``
(the prompt's last token), ``first`` (the first generated), ``exact`` (the last of the exact answer)
and ``last`` (the last generated). Answers of no words are left out.

What may be read without looking inside travels along: log-probabilities of the answer's tokens, and
the surface (lengths, the form of the question, how many answers of the task are the same).

Reference: Orgad et al. (2024), arXiv:2410.02707, §3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from inscape.core.class_means import class_means
from inscape.core.errors import DataError
from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.data.answers import Answer, locate, plain
from inscape.data.examples import Examples
from inscape.model.continuations import Continuation
from inscape.model.model import Model

#: the tokens that a detector may look at, with what reports call them
TOKENS = {
    "prompt": "end of the prompt",
    "first": "first generated",
    "exact": "exact answer",
    "last": "last generated",
}
_SPANS = {name: (f"{name}_start", f"{name}_end") for name in TOKENS}


@dataclass(frozen=True, eq=False)
class Answered:
    """Answered questions, one row each.

    Attributes:
        texts: prompts with their continuations, with the spans of `TOKENS`; group and columns of
            the questions.
        said: the answers, graded.
        made: the continuations.
        rows: which question each is, into those asked.
    """

    texts: Examples
    said: list[Answer]
    made: list[Continuation]
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.said)

    @property
    def right(self) -> Bool[np.ndarray, " n"]:
        """Which answers are right."""
        return np.array([a.right for a in self.said], dtype=bool)

    @property
    def task(self) -> np.ndarray:
        """The task of each question."""
        return self.texts.frame["task"].astype(str).to_numpy()

    @property
    def tasks(self) -> dict[str, Int[np.ndarray, " rows"]]:
        """The rows of each task, tasks in the order of their first rows."""
        return {str(task): np.flatnonzero(self.task == task) for task in pd.unique(self.task)}

    @property
    def task_groups(self) -> np.ndarray:
        """The group of each question, with the name of its task: groups of two tasks differ."""
        pairs = zip(self.task, self.texts.groups(), strict=True)
        return np.array([f"{task} {group}" for task, group in pairs])

    def accuracy(self, greedy: str = "greedy answer") -> list[Evidence]:
        """How often the answers of each task are right, and which share of them is the commonest
        one of their task.

        Args:
            greedy: what the answers are called, in ``where["condition"]``.
        """
        words = pd.Series([a.text for a in self.said])
        commonest = words.groupby(self.task).transform(lambda w: w == w.mode().iloc[0])
        rows = []
        for name, x in ((greedy, self.right), ("share of the commonest answer", commonest)):
            at = {"by": "task", "where": {"condition": name}, "unit": "accuracy"}
            values = np.asarray(x, dtype=np.float64)
            rows += class_means(
                f"accuracy of the {greedy}", values, self.task, self.texts.groups(), **at
            )
        return rows

    def take(self, rows: np.ndarray) -> Answered:
        """Some of them."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        said, made = [self.said[i] for i in index], [self.made[i] for i in index]
        return Answered(self.texts.take(index), said, made, self.rows[index])

    def logprob(self) -> Float[np.ndarray, "n 2"]:
        """Mean and least log-probability of the generated tokens, in nats."""
        return np.array([[m.logprobs.mean(), m.logprobs.min()] for m in self.made])

    def exact_logprob(self, model: Model) -> Float[np.ndarray, "n 2"]:
        """Mean and least log-probability of the tokens of the exact answer, in nats.

        Args:
            model: that generated them, for its tokenizer.
        """
        out = []
        for answer, made in zip(self.said, self.made, strict=True):
            ends = [
                len(model.tokenizer.decode(made.ids[: k + 1], skip_special_tokens=True))
                for k in range(len(made.ids))
            ]
            starts = np.array([0, *ends[:-1]])
            inside = (starts < answer.end) & (np.array(ends) > answer.start)
            own = made.logprobs[inside] if inside.any() else made.logprobs
            out.append([own.mean(), own.min()])
        return np.array(out)

    def most(self) -> Float[np.ndarray, " n"]:
        """Product of the highest probabilities, token by token: the max-softmax confidence of a
        greedy answer.
        """
        return np.array([float(np.prod(m.most)) for m in self.made])

    def outside(self) -> Float[np.ndarray, "n f"]:
        """What is known of an answer without a look inside: `logprob`, `surface` and a column for
        each task, in alphabetical order.
        """
        tasks = pd.get_dummies(self.task).to_numpy(dtype=np.float64)
        return np.hstack([self.logprob(), self.surface(), tasks])

    def surface(self) -> Float[np.ndarray, "n f"]:
        """Lengths, the form of the question, and the share of the task's answers that are this
        one.
        """
        frame = self.texts.frame
        words = [plain(a.text) for a in self.said]
        same = pd.Series(words).groupby([self.task, words]).transform("size").to_numpy()
        of = pd.Series(self.task).map(pd.Series(self.task).value_counts()).to_numpy()
        parts = zip(frame["subject"], self.said, self.made, strict=True)
        lengths = [[len(str(subject)), len(a.text), len(m.ids)] for subject, a, m in parts]
        forms = pd.get_dummies(frame["form"]).to_numpy(dtype=np.float64)
        return np.hstack([np.array(lengths, dtype=np.float64), (same / of)[:, None], forms])


def answered(
    questions: Examples,
    made: Sequence[Continuation],
    rows: np.ndarray | None = None,
    others: bool = True,
) -> Answered:
    """Grade continuations and mark their tokens.

    Args:
        questions: with the columns ``answers`` (spellings, separated by ``|``) and optionally
            ``others`` (wrong answers that are known), ``task``, ``form``, ``subject``.
        made: one continuation for each row.
        rows: the question of each continuation; one after the other by default.
        others: whether known wrong answers count.

    Raises:
        DataError: no column of answers, or no question was answered in words.
    """
    questions = complete(questions)
    index = np.arange(len(made)) if rows is None else np.asarray(rows)
    prompts, frame = questions.texts(), questions.frame
    kept, said, spans, texts = [], [], [], []
    for k, (i, c) in enumerate(zip(index.tolist(), made, strict=True)):
        wrong = (
            str(frame["others"].iloc[i]).split("|") if others and frame["others"].iloc[i] else []
        )
        answer = locate(
            c.text, str(frame["answers"].iloc[i]).split("|"), [w for w in wrong if w.strip()]
        )
        if answer.start == answer.end or not len(c.ids):
            continue
        before, body = len(prompts[i]), c.text.rstrip(" ")
        lead = len(body) - len(body.lstrip())
        ends = {
            "prompt": len(prompts[i].rstrip()),
            "first": before + lead + 1,
            "exact": before + answer.end,
            "last": before + len(body),
        }
        kept.append(k)
        said.append(answer)
        texts.append(prompts[i] + body)
        spans.append(
            {f"{n}_start": e - 1 for n, e in ends.items()}
            | {f"{n}_end": e for n, e in ends.items()}
        )
    if not kept:
        raise DataError(
            "no question was answered in words; give prompts that the model goes on with."
        )
    taken = frame.iloc[index[kept]].reset_index(drop=True)
    taken = pd.concat([taken, pd.DataFrame(spans)], axis=1).assign(**{questions.input: texts})
    examples = replace(questions, frame=taken, spans=dict(_SPANS))
    return Answered(examples, said, [made[k] for k in kept], index[kept])


def complete(questions: Examples) -> Examples:
    """Questions with every column that a detector asks of them; those not given are empty or the
    same for all.

    Raises:
        DataError: no column ``answers``, or no group.
    """
    frame = questions.frame
    if "answers" not in frame:
        raise DataError(
            "questions need a column 'answers': spellings of the right answer, separated by '|'; "
            f"these have {', '.join(frame.columns)}."
        )
    questions.groups()
    fill = {
        "others": "",
        "task": "questions",
        "form": "question",
        "subject": frame[questions.input],
    }
    missing = {name: value for name, value in fill.items() if name not in frame}
    return replace(questions, frame=frame.assign(**missing)) if missing else questions


def exact_text(model: Model, asked: Answered, prompts: Sequence[str]) -> float:
    """Share of answered texts that the tokenizer cuts into the very tokens that were generated."""
    whole = model.tokenize(asked.texts.texts())
    heads = model.tokenize([prompts[i] for i in asked.rows])
    same = [
        t.ids[: len(h)].tolist() == h.ids.tolist()
        and t.ids[len(h) :].tolist() == c.ids.tolist()[: len(t) - len(h)]
        for t, h, c in zip(whole, heads, asked.made, strict=True)
    ]
    return float(np.mean(same))


def kinds(
    right: np.ndarray, words: Sequence[str], groups: Sequence[int] | np.ndarray
) -> np.ndarray:
    """What kind of answerer the model is for each question, from its samples.

    Args:
        right: of each sample.
        words: each sample's answer.
        groups: which question each sample belongs to; questions keep their order of first
            appearance.

    Returns:
        One of ``"right"`` (half of the samples or more), ``"one mistake"`` (one wrong answer in
        half of them or more), ``"torn"`` (right at times) and ``"scattered"`` (never right, no
        wrong answer in half) for each question.
    """
    codes, said = group_codes(groups), np.array([plain(w) for w in words])
    out = []
    for g in range(int(codes.max()) + 1):
        inside = codes == g
        share = float(np.mean(right[inside]))
        wrong = said[inside & ~np.asarray(right, dtype=bool)]
        most = np.unique(wrong, return_counts=True)[1].max() / inside.sum() if len(wrong) else 0.0
        out.append(
            "right"
            if share >= 0.5
            else "one mistake"
            if most >= 0.5
            else "torn"
            if share > 0
            else "scattered"
        )
    return np.array(out)
