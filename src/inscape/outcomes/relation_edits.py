"""Edits of a subject by the inverse of its relation's map: does the model then name the other
subject's object?

    s' = s + W† (o_other − o)        W† of low rank, o the objects' states

beside the same step of random maps, made as long as the map's own, and beside the other subject's
whole state. Site and rank are chosen on other subjects.

Cost: one pass over the questions for each site and rank, and for each draw.
Reference: Hernandez et al. (2023), arXiv:2308.09124, §5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured, Role
from inscape.outcomes.relation_decoders import LRE, RANDOM, WHOLE, Streams
from inscape.outcomes.relation_maps import Mapped
from inscape.outcomes.relation_prompts import decode
from inscape.read.relational import AffineRelation


def others(m: Mapped, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each row another with a different answer; the row itself where there is none."""
    answer = m.asked.answer[rows]
    every = [rows[answer != own] for own in answer]
    return np.array([rng.choice(o) if len(o) else r for o, r in zip(every, rows, strict=True)])


def success(
    m: Mapped, rows: np.ndarray, to: np.ndarray, site: int, step: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, " n"]:
    """Whether each subject's question is answered with the other's object after a step, 1 or 0.

    Args:
        m: the relation.
        rows: subjects.
        to: the other subjects.
        site: number of the site where the step is added.
        step: what is added to each subject's state.
    """
    answer, put = m.asked.answer, m.states[site][rows] + step.astype(np.float32)
    found = decode(m.asked.model, m.asked.take(rows).outputs(m.output, put, m.sites[site]))
    return ((found == answer[to]) & (answer[to] != answer[rows])).astype(np.float64)


def relation_edits(
    m: Mapped, ranks: Sequence[int], draws: int, *, rng: Streams
) -> dict[str, Float[np.ndarray, ...]]:
    """For which held-out subjects an edit brings another subject's object: the map's, random maps',
    the whole state's.

    Args:
        m: the relation.
        ranks: of the inverse.
        draws: random maps.
        rng: named random streams: ``aims`` and ``edit``, each with the relation.

    Returns:
        `LRE` and `WHOLE`: (n,); `RANDOM`: (draws, n).
    """

    def step(relation: AffineRelation, rows: np.ndarray, to: np.ndarray, rank: int) -> np.ndarray:
        return relation.shift(m.outputs[to] - m.outputs[rows], min(rank, relation.rank))

    aims = others(m, m.chooses, rng("aims", m.relation))
    options = [(k, rank) for k in range(len(m.sites)) for rank in ranks]
    tried = [
        success(m, m.chooses, aims, k, step(m.embedding(k), m.chooses, aims, rank)).mean()
        for k, rank in options
    ]
    site, rank = options[int(np.argmax(tried))]
    to = others(m, m.held, rng("aims", m.relation, "held"))
    own, random = step(m.embedding(site), m.held, to, rank), []
    for k in range(draws):
        drawn = m.embedding(site).randomised(rng=rng("edit", m.relation, str(k)))
        other = step(drawn, m.held, to, rank)
        # as long as the map's own step: a step that is too short or too long fails for that alone
        lengths = (np.linalg.norm(x, axis=1, keepdims=True) for x in (own, other))
        random.append(success(m, m.held, to, site, other * np.divide(*lengths)))
    whole = m.states[site][to] - m.states[site][m.held]
    return {
        LRE: success(m, m.held, to, site, own),
        RANDOM: np.stack(random),
        WHOLE: success(m, m.held, to, site, whole),
    }


class EditRates(NamedTuple):
    """How often edits succeed, over all relations.

    Attributes:
        own: with the relations' own maps.
        random: with random maps.
        whole: with the other subject's whole state.
        above_twice: `own` less twice `random`, which counts as one success at least.
        of_whole: `own` over `whole`.
    """

    own: float
    random: float
    whole: float
    above_twice: Evidence
    of_whole: Evidence


def edit_rates(
    found: Sequence[Mapped], edits: Mapping[str, Mapping[str, Float[np.ndarray, ...]]]
) -> EditRates:
    """Edits of all relations together; a group is a subject, in whichever relation.

    Args:
        found: the relations.
        edits: relation, in the same order → what `relation_edits` gives.
    """
    subjects = np.concatenate([m.asked.subjects[m.held] for m in found]).astype(str)
    m = Measured("edits that succeed", groups=subjects, unit="share")
    roles: dict[str, Role] = {LRE: "treatment", RANDOM: "baseline", WHOLE: "ceiling"}
    for name, role in roles.items():
        drawn = np.concatenate([np.atleast_2d(by[name]) for by in edits.values()], axis=1)
        m.put(name, drawn, role=role)
    least = 1.0 / sum(by[RANDOM].size for by in edits.values())
    twice = m.combined(
        "edits that succeed − twice those of a random map",
        lambda own, random: own - 2 * np.maximum(random, least),
        LRE,
        RANDOM,
    )
    name = "successes, of those of the whole state"
    share = m.ratio(LRE, over=WHOLE, name=name, unit="share")
    return EditRates(*(float(m.value(name).value) for name in roles), twice, share)
