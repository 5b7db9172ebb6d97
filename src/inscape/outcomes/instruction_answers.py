"""Prompts with a checkable instruction, what a model answered, and what it answers while a
direction is added.

Answered prompts have three places that a probe can read: the prompt's last character, and the
answer's middle and last ones. Answers given again are graded as before, and their perplexity is
that under the model as it is.

Cost: generating the answers; one pass for their perplexity.
Reference: Heo et al. (2024), arXiv:2410.14516, §3 and §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int

from inscape.core.batch import Tokens
from inscape.core.edit import Add, Edit, Scope
from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.core.measured import Measured
from inscape.data.examples import Examples
from inscape.model.continuations import Continuation, continuations
from inscape.model.model import Model
from inscape.outcomes.token_losses import token_losses
from inscape.worlds.instructions import follows

#: span → what it is called
TOKENS = {
    "first": "before the answer",
    "middle": "middle of the answer",
    "last": "end of the answer",
}


def followed(frame: pd.DataFrame, made: Sequence[Continuation]) -> Bool[np.ndarray, " n"]:
    """Whether each answer follows its instruction.

    Args:
        frame: columns ``kind`` and ``word``.
        made: the answers.
    """
    rows = zip(frame["kind"], frame["word"], made, strict=True)
    return np.array([follows(str(k), str(w), m.text) for k, w, m in rows])


def success_rates(prompts: Examples, right: Bool[np.ndarray, " n"]) -> list[Evidence]:
    """How often each kind of instruction is followed, in each phrasing, beside all phrasings.

    Args:
        prompts: columns ``kind`` and ``phrasing``, and a group.
        right: whether each was followed.
    """
    frame, rows = prompts.frame.reset_index(drop=True), []
    for kind, phrasing in frame[["kind", "phrasing"]].drop_duplicates().itertuples(index=False):
        every = (frame["kind"] == kind).to_numpy()
        inside = every & (frame["phrasing"] == phrasing).to_numpy()
        m = Measured("success", groups=prompts.groups()[inside], unit="share")
        m.put("followed", right[inside])
        mean = Beside("reference", "all phrasings", float(right[every].mean()))
        where = {"kind": str(kind), "phrasing": str(phrasing)}
        rows.append(m.value("followed", where=where, beside=(mean,)))
    return rows


@dataclass(frozen=True, eq=False)
class InstructionAnswers:
    """Prompts that a model answered.

    Attributes:
        examples: prompt and answer, with the spans of `TOKENS`.
        texts: the prompts as the model reads them.
        made: the answers.
        right: whether each follows its instruction, (n,).
    """

    examples: Examples
    texts: list[str]
    made: list[Continuation]
    right: Bool[np.ndarray, " n"]

    @classmethod
    def of(
        cls, prompts: Examples, texts: Sequence[str], made: Sequence[Continuation]
    ) -> InstructionAnswers:
        """Prompts with their answers; those that were answered with nothing are left out.

        Args:
            prompts: columns ``kind``, ``word`` and ``phrasing``, and a group.
            texts: the prompts as the model reads them.
            made: the answers.
        """
        right, keep = followed(prompts.frame, made), [bool(m.text.strip()) for m in made]
        some = np.flatnonzero(keep)
        texts, said = [texts[i] for i in some], [made[i] for i in some]
        return cls(_spans(prompts.take(some), texts, said), texts, said, right[some])

    @property
    def kinds(self) -> np.ndarray:
        """The kind of instruction of each prompt."""
        return self.examples.frame["kind"].astype(str).to_numpy()

    @property
    def groups(self) -> Int[np.ndarray, " n"]:
        """The task of each prompt, 0 … tasks − 1."""
        return group_codes(self.examples.groups())

    def failures(self, train: Int[np.ndarray, " m"], able: float) -> Bool[np.ndarray, " n"]:
        """Failures of instructions of a kind that is followed often enough.

        An instruction that is never followed cannot be what a direction is about, and no push will
        teach it.

        Args:
            train: prompts by which that is told.
            able: the least share followed.
        """
        kinds, right = self.kinds, self.right
        often = [k for k in np.unique(kinds) if right[train][kinds[train] == k].mean() >= able]
        return ~right & np.isin(kinds, often)

    def surface(self, model: Model) -> Float[np.ndarray, "n f"]:
        """What needs no look inside: the prompt's length in tokens, its square, and the phrasing.

        Args:
            model: whose tokens.
        """
        frame = self.examples.frame
        ends = zip(self.examples.texts(), frame["first_end"], strict=True)
        heads = model.tokenize([text[: int(end)] for text, end in ends])
        lengths = np.array([[len(t), len(t) ** 2] for t in heads])
        return np.hstack([lengths, pd.get_dummies(frame["phrasing"]).to_numpy(dtype=float)])


class Strength(NamedTuple):
    """Site and strength of a direction, and what was tried.

    Attributes:
        site: where.
        strength: times the direction.
        tried: ``site``, ``strength``, ``success``, ``perplexity, times``.
    """

    site: str
    strength: float
    tried: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Steered:
    """Prompts answered again while a direction is added.

    Attributes:
        model: whom.
        answers: the prompts, with what was answered before.
        tokens: generated at most.
        stop: characters that end an answer.
        progress: makes a progress bar, as `inscape.study.run.Run.progress` does.
    """

    model: Model
    answers: InstructionAnswers
    tokens: int
    stop: str
    progress: Callable[..., AbstractContextManager[Any]]

    def ask(
        self, which: Int[np.ndarray, " n"], directions: Float[np.ndarray, "k d"], site: str
    ) -> tuple[Float[np.ndarray, "n k"], list[list[Continuation]]]:
        """Each prompt answered under each direction.

        Args:
            which: numbers of the prompts.
            directions: added at the prompt's last token and at all that is generated.
            site: where.

        Returns:
            Whether each answer follows its instruction, and the answers.
        """

        def edits(numbers: np.ndarray) -> list[Edit]:
            v = torch.from_numpy(np.tile(directions, (len(numbers), 1)).astype(np.float32))[:, None]
            return [Add(Scope(site, "last", "prompt"), v), Add(Scope(site, phase="generated"), v)]

        with self.progress("answer again", total=len(which), unit="prompts") as bar:
            out = continuations(
                self.model,
                [self.answers.texts[i] for i in which],
                self.tokens,
                samples=len(directions),
                stop=self.stop,
                edits=edits,
                advance=bar.advance,
            )
        frame = self.answers.examples.frame.iloc[which]
        right = [followed(frame, [o[k] for o in out]) for k in range(len(directions))]
        return np.stack(right, axis=1).astype(np.float64), out

    def losses(
        self, which: Int[np.ndarray, " n"], out: Sequence[Continuation] | None = None
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Nats and tokens of answers under the model as it is.

        Args:
            which: numbers of the prompts.
            out: the answers; those given without a direction by default.
        """
        said = [self.answers.made[i] for i in which] if out is None else out
        heads = self.model.tokenize([self.answers.texts[i] for i in which])
        whole = [_joined(h, m) for h, m in zip(heads, said, strict=True)]
        found = token_losses(self.model, whole, after=[len(h) for h in heads])
        return found.nats, found.tokens.astype(np.float64)

    def rise(
        self,
        which: Int[np.ndarray, " n"],
        said: Mapping[str, Sequence[Continuation]],
        along: str,
        beside: str,
    ) -> Evidence:
        """By what share the perplexity of the answers rises, beside that of other answers.

        Args:
            which: numbers of the prompts.
            said: name → answers.
            along: the name of the answers judged.
            beside: the name of those beside them, a baseline.
        """
        groups = self.answers.groups[which]
        m = Measured("nats per token", groups=groups, kind="ratio", direction="lower")
        m.put("before", *self.losses(which), role="reference")
        for name, out in said.items():
            m.put(name, *self.losses(which, out))

        def more(new: np.ndarray, old: np.ndarray) -> np.ndarray:
            return np.exp(new - old) - 1

        name = "rise of the perplexity"
        other = Beside("baseline", beside, float(m.combined(name, more, beside, "before").value))
        return m.combined(name, more, along, "before", unit="share", beside=(other,))

    def choose(
        self,
        known: Int[np.ndarray, " n"],
        along: Mapping[str, Float[np.ndarray, " d"]],
        strengths: Sequence[float],
        guard: float,
    ) -> Strength:
        """Site and strength under which most failures become successes, at bearable perplexity.

        Args:
            known: numbers of the failures.
            along: site → direction.
            strengths: tried at each.
            guard: how many times its own the perplexity may be; where it is more everywhere, all
                are chosen from.
        """
        m, grid = Measured("nats per token", kind="ratio"), []
        m.put("before", *self.losses(known))
        for site, d in along.items():
            right, out = self.ask(known, np.array(strengths)[:, None] * d, site)
            for k, strength in enumerate(strengths):
                name = f"{site}, {strength:g}"
                m.put(name, *self.losses(known, [several[k] for several in out]))
                times = float(np.exp(m.gain(name, over="before").value))
                grid.append((site, strength, right[:, k].mean(), times))
        columns = ["site", "strength", "success", "perplexity, times"]
        best = max([g for g in grid if g[3] < guard] or grid, key=lambda g: g[2])
        return Strength(str(best[0]), float(best[1]), pd.DataFrame(grid, columns=columns))


def _spans(prompts: Examples, texts: Sequence[str], made: Sequence[Continuation]) -> Examples:
    """Answered prompts, with the prompt's last character and the answer's middle and last ones as
    spans."""
    whole, rows = [], []
    for text, m in zip(texts, made, strict=True):
        body, start = m.text.rstrip(), len(text)
        lead = len(body) - len(body.lstrip())
        middle = start + (lead + len(body)) // 2 + 1
        while body[middle - 1 - start].isspace():
            middle += 1
        ends = {"first": len(text.rstrip(" ")), "middle": middle, "last": start + len(body)}
        whole.append(text + body)
        starts = {f"{n}_start": e - 1 for n, e in ends.items()}
        rows.append(starts | {f"{n}_end": e for n, e in ends.items()})
    frame = pd.concat([prompts.frame.reset_index(drop=True), pd.DataFrame(rows)], axis=1)
    frame = frame.assign(**{prompts.input: whole})
    return replace(prompts, frame=frame, spans={n: (f"{n}_start", f"{n}_end") for n in TOKENS})


def _joined(head: Tokens, made: Continuation) -> Tokens:
    ids = made.ids if len(made.ids) else head.ids[-1:]
    return Tokens.of(np.concatenate([head.ids, ids]), head.text)
