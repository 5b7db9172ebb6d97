"""Decisions under edits of the reasoning: whose direction, on which half, and what else would have
been as long.

Prompts are in two halves of whole groups. What one half finds and chooses (a direction, a block, a
strength) is judged on the other. A prompt is pushed against its own decision,

    h ← h ± s c        + for what was answered, − for what was declined,        c = mean of declined
    − mean of answered

so that a turned decision is the opposite of what the model says left alone, and garbage is not
counted as one.

Cost: two continuations a prompt and edit.
Reference: Yamaguchi et al. (2025), arXiv:2507.03167.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from inscape.control.orthogonalise import WRITTEN, edits_of
from inscape.control.random_directions import isotropic, matched
from inscape.core.edit import Add, Edit, ProjectOut, Scope
from inscape.core.errors import DataError
from inscape.core.evidence import Beside, Evidence
from inscape.core.measured import Measured
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.bystanders import Bystander
from inscape.outcomes.scratchpads import SCRATCHPAD, Act, Reasoner, Written, halves

#: site and strength, which a half chose
Choice = tuple[str, float]


@dataclass(frozen=True, eq=False)
class Case:
    """A model, its prompts, and what it decides left alone.

    Attributes:
        reasoner: the model.
        written: prompts with the scratchpads that it wrote.
        decided: 1 declined, 0 answered, −1 neither, (n,); the last are left out of everything.
        half: which half of the groups a prompt is in, 0 or 1.
        groups: group of each prompt.
        judge: answers → decisions.
        states: site → means of scratchpads and last tokens of prompts, (n, d) each.
    """

    reasoner: Reasoner
    written: Written
    decided: Int[np.ndarray, " n"]
    half: Int[np.ndarray, " n"]
    groups: np.ndarray
    judge: Callable[[Sequence[str]], Int[np.ndarray, " n"]]
    states: dict[str, tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n d"]]]

    @classmethod
    def of(
        cls,
        reasoner: Reasoner,
        prompts: Examples,
        judge: Callable[[Sequence[str]], Int[np.ndarray, " n"]],
        sites: Sequence[str],
        first: int,
        *,
        rng: np.random.Generator,
    ) -> Case:
        """Let a model think and decide.

        Args:
            reasoner: the model.
            prompts: with a group; a column ``scratchpad``, if there is one, is taken for what the
                model wrote.
            judge: answers → decisions.
            sites: where states are read.
            first: so many tokens of a scratchpad.
            rng: deals the groups to halves.

        Raises:
            DataError: one half has no prompt that is declined, or none that is answered.
        """
        if "scratchpad" in prompts.frame:
            pads = tuple(map(str, prompts.frame["scratchpad"]))
            written = Written(tuple(prompts.texts()), pads, np.ones(len(pads), dtype=bool))
        else:
            written = reasoner.write(prompts.texts())
        decided, half = judge(reasoner.answer(written)), halves(prompts.groups(), rng=rng)
        for h, d in ((0, 0), (0, 1), (1, 0), (1, 1)):
            if not ((half == h) & (decided == d)).any():
                raise DataError(
                    f"in one half of the prompts {reasoner.model.name} "
                    f"{'declines' if d else 'answers'} none; give prompts of which it declines "
                    "some and answers some, or set the words that tell: --set declines=… "
                    "--set answers=…."
                )
        states = reasoner.states(written, sites, first)
        return cls(reasoner, written, decided, half, prompts.groups(), judge, states)

    @property
    def valid(self) -> Float[np.ndarray, " n"]:
        """Which prompts are decided at all, 1 or 0 each."""
        return (self.decided >= 0) * 1.0

    @property
    def against(self) -> Float[np.ndarray, " n"]:
        """Towards declining (1) for what was answered, away from it (−1) for what was declined."""
        return np.where(self.decided == 1, -1.0, 1.0)

    def as_due(self, due: Float[np.ndarray, " n"]) -> Evidence:
        """How often the decision left alone is the one that is due, beside what deciding always
        alike would give.

        Args:
            due: 1 for prompts that are to be declined, else 0.
        """
        often = max(due.mean(), 1 - due.mean())
        beside = (Beside("reference", "the more frequent decision for all", often),)
        m = Measured("decisions as they should be", groups=self.groups, unit="share")
        m.put("left alone", self.decided == due)
        return m.value("left alone", beside=beside)

    def decisions(
        self, act: Act | None, place: str = SCRATCHPAD, draw: int = 0, model: Model | None = None
    ) -> Int[np.ndarray, " n"]:
        """What is finally said, scratchpads written anew."""
        reasoner = self.reasoner if model is None else replace(self.reasoner, model=model)
        again = reasoner.write(self.written.prompts, act, place, draw)
        return self.judge(reasoner.answer(again, act, place, draw))

    def turned(self, decisions: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Which decisions are the opposite of those left alone; what is neither is none."""
        return (decisions == 1 - self.decided).astype(np.float64)

    def turned_where(self, was: int) -> tuple[Callable[..., np.ndarray], Float[np.ndarray, " n"]]:
        """For decisions that were `was` alone: which are the opposite, as a function of decisions,
        and which there are."""
        mine = (self.decided == was) * 1.0
        return lambda decisions: mine * self.turned(decisions), mine

    def difference(self, site: str, half: int, of: int = 0) -> Float[np.ndarray, " d"]:
        """Mean of declined less that of answered in one half: of scratchpads (0) or of prompts'
        last tokens (1)."""
        x = self.states[site][of]
        means = [x[(self.half == half) & (self.decided == d)].mean(axis=0) for d in (0, 1)]
        return means[1] - means[0]

    def pushes(
        self,
        chosen: Sequence[Choice],
        half: Int[np.ndarray, " m"],
        signs: Float[np.ndarray, " m"],
        of: int = 0,
    ) -> tuple[list[str], Float[np.ndarray, "m d"]]:
        """Site and vector of prompts of any kind, each from the half that it is not in.

        Args:
            chosen: site and strength of each half.
            half: of each prompt.
            signs: ±1 each.
            of: whose difference gives the direction; its length is the scratchpads' in any case.
        """
        found = []
        for h, (site, strength) in enumerate(chosen):
            c, d = self.difference(site, h), self.difference(site, h, of)
            found.append(strength * np.linalg.norm(c) / np.linalg.norm(d) * d)
        return [chosen[1 - h][0] for h in half], signs[:, None] * np.stack(
            [found[1 - h] for h in half]
        )

    def as_long(
        self,
        chosen: Sequence[Choice],
        half: Int[np.ndarray, " m"],
        vectors: Float[np.ndarray, "m d"],
        *,
        covariance: bool,
        rng: np.random.Generator,
    ) -> Float[np.ndarray, "m d"]:
        """Random vectors as long as those given, one direction for each half.

        Args:
            chosen: site and strength of each half.
            half: of each row.
            vectors: what they are to be as long as.
            covariance: draw them with that of the scratchpads of one decision, instead of alike in
                all directions.
            rng: of the draw.
        """
        out = np.zeros_like(vectors)
        for h in (0, 1):
            rows = (self.half == 1 - h) & (self.decided >= 0)
            x, y = self.states[chosen[1 - h][0]][0][rows], self.decided[rows]
            x = x - np.stack([x[y == d].mean(axis=0) for d in (0, 1)])[y]
            unit = (
                matched(x[None], 1, rng=rng) if covariance else isotropic(1, 1, x.shape[1], rng=rng)
            )
            out[half == h] = np.linalg.norm(vectors[half == h], axis=1)[:, None] * unit[0, 0]
        return out

    def rows(
        self, *tokens: str
    ) -> tuple[dict[str, Float[np.ndarray, "m d"]], Int[np.ndarray, " m"], np.ndarray]:
        """What a detector of decisions is fitted to: states as its candidates, ``site@token``, with
        decisions and groups, of the prompts that are decided at all.

        Args:
            tokens: what the scratchpad's mean and the prompt's last token are called.
        """
        keep = self.decided >= 0
        states = {
            f"{site}@{token}": x[keep]
            for site, pair in self.states.items()
            for token, x in zip(tokens, pair, strict=True)
        }
        return states, self.decided[keep], self.groups[keep]

    @property
    def lengths(self) -> tuple[float, float]:
        """Tokens of a prompt and of its scratchpad, on average."""
        sizes = [[mask.sum() for mask in pair] for pair in self.reasoner.parts(self.written)]
        prompt, scratchpad = np.mean(sizes, axis=0)
        return float(prompt), float(scratchpad)

    def examples(self, again: Written, said: Sequence[str]) -> pd.DataFrame:
        """The first prompt of either decision in each half, with what was written and said before
        and after an edit."""
        plain, rows = self.reasoner.answer(self.written), []
        for d, h in ((1, 0), (1, 1), (0, 0), (0, 1)):
            i = int(np.flatnonzero((self.half == h) & (self.decided == d))[0])
            for edit, pads, answers in (("none", self.written, plain), ("added", again, said)):
                rows.append(
                    {
                        "prompt": i,
                        "edit": edit,
                        "scratchpad": pads.scratchpads[i][-160:],
                        "answer": answers[i],
                    }
                )
        return pd.DataFrame(rows)


def choose(
    case: Case,
    aside: Bystander,
    beside: Int[np.ndarray, " m"],
    strengths: Sequence[float],
    guard: float | int,
    rng: np.random.Generator,
    advance: Callable[[], None] = lambda: None,
) -> tuple[pd.DataFrame, list[Choice]]:
    """For each half the site and strength that turn most of its own decisions beyond chance.

    Chance is what a random direction turns.

    Args:
        case: the prompts.
        aside: what is to stay as it is.
        beside: half of each of its rows.
        strengths: tried, in lengths of the difference.
        guard: the most of `aside` that may be lost, added or subtracted; where all lose more, the
            least that any does.
        rng: of the random direction, one for each site.
        advance: called after each.

    Returns:
        All that was tried, and what each half chose.
    """
    before, whole = aside.hits(None, SCRATCHPAD, case.reasoner.model)
    grid = []
    for site in case.states:
        stream = int(rng.integers(2**62))
        for strength in strengths:
            both: list[Choice] = [(site, strength), (site, strength)]
            # a row's own half: `pushes` gives it the other one's
            at, v = case.pushes(both, 1 - case.half, case.against)
            noise = case.as_long(
                both, 1 - case.half, v, covariance=False, rng=np.random.default_rng(stream)
            )
            own, chance = (case.turned(case.decisions(added(at, x))) for x in (v, noise))
            at, v = case.pushes(both, 1 - beside, np.ones(len(beside)))
            each = [
                before - aside.hits(added(at, sign * v), SCRATCHPAD, case.reasoner.model)[0]
                for sign in (1.0, -1.0)
            ]
            for h in (0, 1):
                inside, there = (case.decided >= 0) & (case.half == h), beside == h
                grid.append(
                    {
                        "half": h,
                        "site": site,
                        "strength": strength,
                        "turned": own[inside].mean(),
                        "by a random direction": chance[inside].mean(),
                        "lost on something else": max(x[there].sum() for x in each)
                        / whole[there].sum(),
                    }
                )
            advance()
    chosen = []
    for h in (0, 1):
        mine = [g for g in grid if g["half"] == h]
        least = min(g["lost on something else"] for g in mine)
        allowed = [g for g in mine if g["lost on something else"] <= max(guard, least)]
        best = max(
            allowed, key=lambda g: (g["turned"] - g["by a random direction"], -g["strength"])
        )
        chosen.append((str(best["site"]), float(best["strength"])))
    return pd.DataFrame(grid), chosen


def logits_apart(
    case: Case, copy: Model, direction: Float[np.ndarray, " d"], texts: int = 16
) -> float:
    """Largest difference of logits between a copy with a direction out of its weights and the edit.

    Args:
        case: whose first closed scratchpads are read.
        copy: the model whose weights write nothing along the direction.
        direction: projected out of the model.
        texts: how many are read.
    """
    worst, model = 0.0, case.reasoner.model
    for text in case.reasoner.texts(case.written)[:texts]:
        plain = model.run(text, logits=True, edits=edits_of(direction[None])).logits
        copied = copy.run(text, logits=True).logits
        assert plain is not None
        assert copied is not None
        worst = max(worst, float((plain - copied).abs().max()))
    return worst


def added(sites: Sequence[str], vectors: Float[np.ndarray, "n d"]) -> Act:
    """Add to each prompt a vector of its own, at a site of its own."""
    at = np.array(sites)

    def act(rows: np.ndarray, positions: str | tuple[int, ...], phase: str) -> list[Edit]:
        found: list[Edit] = []
        for site in np.unique(at[rows]):
            here = np.where((at[rows] == site)[:, None], vectors[rows], 0.0)
            found.append(
                Add(
                    Scope(str(site), positions, phase),
                    torch.from_numpy(here.astype(np.float32))[:, None],
                )
            )
        return found

    return act


def removed(direction: Float[np.ndarray, " d"]) -> Act:
    """Project a direction out wherever the stream is written to; everywhere, it is what
    orthogonalised weights do."""
    onto = torch.from_numpy(direction[None])
    return lambda _rows, positions, phase: [ProjectOut(Scope(WRITTEN, positions, phase), onto)]


def crossed(outcome: Callable[[int], np.ndarray], half: Int[np.ndarray, " m"]) -> np.ndarray:
    """Each row's outcome under what the other half found."""
    found = [outcome(h) for h in (0, 1)]
    return np.where(half == 0, found[1], found[0])
