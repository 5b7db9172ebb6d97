"""Edits of the reasoning, as conditions that are each asked by themselves.

    added at places      h ← h ± s c at the scratchpad, the prompt's end, random positions, everywhere
    taken out            h ← h − (c·h) c / |c|² at those places; or no edit, and weights that write nothing along c
    aside                the same edits, and what becomes of a task that they are not about

Every prompt is edited by what the other half of the groups found. A condition is a list of draws,
each a function that asks the model and gives an outcome: decisions, or hits lost.

Cost: two continuations a prompt and draw.
Reference: Yamaguchi et al. (2025), arXiv:2507.03167, §4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from inscape.control.orthogonalise import orthogonalised
from inscape.core.evidence import Beside, Evidence
from inscape.core.measured import Measured
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.outcomes.bystanders import Bystander, Hits
from inscape.outcomes.scratchpads import (
    EVERYWHERE,
    PROMPT,
    RANDOM,
    SCRATCHPAD,
    Act,
    Written,
    halves,
)
from inscape.outcomes.turned_decisions import (
    Case,
    Choice,
    added,
    choose,
    crossed,
    logits_apart,
    removed,
)

#: a condition → its draws
Draws = dict[str, list[Callable[[], np.ndarray]]]
#: a name of a random stream, in parts → its generator
Streams = Callable[..., np.random.Generator]

KEPT, WORDS = "scratchpad, old words kept", "scratchpad, new words alone"
PROMPTS, PLACES = "prompt end's direction", "random positions"
ISOTROPIC, MATCHED = "random directions", "random, their covariance"
OUT, ORTHOGONAL = "projected out, %s", "weights orthogonalised"
RANDOM_OUT = "random directions projected out, everywhere"


@dataclass(frozen=True, eq=False)
class Found:
    """What each half of the prompts found, to be judged on the other half.

    Attributes:
        case: the prompts.
        aside: something that edits are not about.
        halves: half of each of its rows.
        chosen: site and strength of each half.
        tried: all that was tried.
    """

    case: Case
    aside: Bystander
    halves: Int[np.ndarray, " m"]
    chosen: list[Choice]
    tried: pd.DataFrame

    @cached_property
    def directions(self) -> list[Float[np.ndarray, " d"]]:
        """Of each half the difference at its site."""
        return [self.case.difference(site, h) for h, (site, _) in enumerate(self.chosen)]

    @cached_property
    def copies(self) -> list[Model]:
        """Of each half a model whose weights write nothing along its direction."""
        return [orthogonalised(self.case.reasoner.model, d[None]) for d in self.directions]

    @property
    def where(self) -> str:
        """The blocks in words."""
        blocks = dict.fromkeys(f"block {Site.parse(site).layer}" for site, _ in self.chosen)
        return " and ".join(blocks)


def find(
    case: Case,
    aside: Bystander,
    strengths: Sequence[float],
    guard: float | int,
    *,
    streams: Streams,
    advance: Callable[[], None] = lambda: None,
) -> Found:
    """Let each half choose a site and a strength (`inscape.outcomes.turned_decisions.choose`).

    Args:
        case: the prompts.
        aside: something that edits are not about.
        strengths: tried, in lengths of the difference.
        guard: the most of `aside` that may be lost.
        streams: of the halves of `aside`, and of random directions.
        advance: called after each site and strength.
    """
    half = halves(aside.groups(), rng=streams("halves", "aside"))
    tried, chosen = choose(case, aside, half, strengths, guard, streams("choose"), advance)
    return Found(case, aside, half, chosen, tried)


class Added(NamedTuple):
    """A direction added against each prompt's decision.

    Attributes:
        draws: condition → what asks, giving decisions (n,).
        written: the scratchpads under the edit.
        said: what is answered after them, under it.
    """

    draws: Draws
    written: Written
    said: list[str]


def added_at_places(found: Found, *, draws: int, places: int, streams: Streams) -> Added:
    """The direction at the scratchpad, and what it is compared with.

    Beside it: the old scratchpads under the edit (`KEPT`), the new ones without it (`WORDS`), the
    direction of the prompt's end, the edit at the prompt, at random positions and everywhere, and
    random directions of its length, isotropic and with the scratchpads' covariance (half as many).

    Args:
        found: the prompts, and what their halves chose.
        draws: isotropic directions.
        places: random sets of positions.
        streams: of the random directions.
    """
    case, chosen = found.case, found.chosen
    sites, v = case.pushes(chosen, case.half, case.against)
    push = added(sites, v)
    ends = added(sites, case.pushes(chosen, case.half, case.against, of=1)[1])
    again = case.reasoner.write(case.written.prompts, push)
    said = case.reasoner.answer(again, push)

    def random(kind: str, k: int) -> np.ndarray:
        rng = streams(kind, str(k))
        noise = case.as_long(chosen, case.half, v, covariance=kind == MATCHED, rng=rng)
        return case.decisions(added(sites, noise))

    counts = {ISOTROPIC: draws, MATCHED: max(2, draws // 2)}
    conditions: Draws = {
        SCRATCHPAD: [lambda: case.judge(said)],
        KEPT: [lambda: case.judge(case.reasoner.answer(case.written, push))],
        WORDS: [lambda: case.judge(case.reasoner.answer(again))],
        PROMPTS: [partial(case.decisions, ends)],
        PROMPT: [partial(case.decisions, push, PROMPT)],
        PLACES: [partial(case.decisions, push, RANDOM, k) for k in range(places)],
        EVERYWHERE: [partial(case.decisions, push, EVERYWHERE)],
        **{kind: [partial(random, kind, k) for k in range(n)] for kind, n in counts.items()},
    }
    return Added(conditions, again, said)


def prompt_share(case: Case, answers: Mapping[str, Sequence[np.ndarray]]) -> Evidence:
    """Decisions turned by the edit at the prompt alone, as a share of those that it turns at the
    scratchpad alone; beside it random directions at the scratchpad.

    Args:
        case: the prompts.
        answers: condition of `added_at_places` → the decisions of each draw.
    """
    turned = {n: [case.turned(d) for d in answers[n]] for n in (PROMPT, SCRATCHPAD, ISOTROPIC)}
    own = {PROMPT: turned[PROMPT], ISOTROPIC: np.mean(turned[ISOTROPIC], axis=0)}
    name = "turned at the prompt, as a share of those at the scratchpad"
    m = Measured(name, groups=case.groups, unit="share", kind="ratio", direction="lower")
    m.put_each(own, turned[SCRATCHPAD], roles={ISOTROPIC: "reference"})
    random = m.value(ISOTROPIC).value
    beside = (Beside("reference", "random directions at the scratchpad", random),)
    return m.value(PROMPT, beside=beside)


def taken_out(found: Found, *, draws: int, rng: np.random.Generator) -> Draws:
    """Each half's direction projected out at places, and out of the weights; beside random ones,
    everywhere.

    Args:
        found: the prompts, and what their halves found.
        draws: random directions.
        rng: of these.
    """
    case, directions = found.case, found.directions
    drawn = [rng.standard_normal(len(directions[0])) for _ in range(draws)]

    def out(place: str) -> np.ndarray:
        return crossed(lambda h: case.decisions(removed(directions[h]), place), case.half)

    def orthogonal() -> np.ndarray:
        return crossed(lambda h: case.decisions(None, model=found.copies[h]), case.half)

    return {
        **{OUT % place: [partial(out, place)] for place in (SCRATCHPAD, PROMPT, EVERYWHERE)},
        ORTHOGONAL: [orthogonal],
        RANDOM_OUT: [partial(case.decisions, removed(d), EVERYWHERE) for d in drawn],
    }


def weights_alike(found: Found, answers: Mapping[str, Sequence[np.ndarray]]) -> tuple[float, float]:
    """How far orthogonalised weights do what projecting out everywhere does: the largest difference
    of logits, by the first half's direction, and the share of equal decisions.

    Args:
        found: the prompts, and what their halves found.
        answers: condition of `taken_out` → the decisions of each draw.
    """
    apart = logits_apart(found.case, found.copies[0], found.directions[0])
    alike = np.mean(answers[ORTHOGONAL][0] == answers[OUT % EVERYWHERE][0])
    return apart, float(alike)


def lost_aside(found: Found, *, draws: int, streams: Streams) -> tuple[Draws, Hits]:
    """Hits lost on something else: the direction added and subtracted at the scratchpad, the
    weights orthogonalised, and random directions added.

    Args:
        found: the prompts, what their halves found, and something else.
        draws: random directions.
        streams: of these.

    Returns:
        Condition → what asks, giving hits lost (m,); and the hits without edits with how many there
        could be.
    """
    case, aside, halves = found.case, found.aside, found.halves
    before, whole = aside.hits(None, SCRATCHPAD, case.reasoner.model)
    sites, v = case.pushes(found.chosen, halves, np.ones(len(halves)))

    def lose(act: Act | None, model: Model = case.reasoner.model) -> np.ndarray:
        return before - aside.hits(act, SCRATCHPAD, model)[0]

    def random(k: int) -> np.ndarray:
        rng = streams("aside", str(k))
        noise = case.as_long(found.chosen, halves, v, covariance=False, rng=rng)
        return lose(added(sites, noise))

    conditions: Draws = {
        "added at the scratchpad": [lambda: lose(added(sites, v))],
        "subtracted at the scratchpad": [lambda: lose(added(sites, -v))],
        ORTHOGONAL: [lambda: crossed(lambda h: lose(None, found.copies[h]), halves)],
        ISOTROPIC: [partial(random, k) for k in range(draws)],
    }
    return conditions, (before, whole)
