"""How the object of a relation is decoded from its subject's state: the mean Jacobian, and what it
is compared with.

    mean Jacobian        β W s + b,   W the mean Jacobian of a few subjects
    logit lens           s itself
    translation          s plus the mean difference of the same few subjects
    least squares        fitted on the same few, or on all training rows
    random map           W with its singular values in random directions

Site and gain β of every method are those that agree most with the model on the rows that choose;
held-out rows are judged.

Cost: a few products for each candidate.
Reference: Hernandez et al. (2023), arXiv:2308.09124, §3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured, Role, measured_grid
from inscape.core.site import Site
from inscape.outcomes.relation_maps import Mapped, by_relation
from inscape.read.relational import AffineRelation

LRE, LENS, SHIFT, SQUARES, RANDOM = (
    "mean Jacobian",
    "logit lens",
    "translation",
    "least squares",
    "random map",
)
MORE, WHOLE = "least squares, all training rows", "the other subject's whole state"
#: what `faithful_margin` compares the mean Jacobian with
RIVALS = (LENS, SHIFT, SQUARES)
ROLES: dict[str, Role] = {
    **dict.fromkeys((LENS, SHIFT, SQUARES, MORE), "baseline"),
    RANDOM: "null",
    WHOLE: "ceiling",
}
Streams = Callable[..., np.random.Generator]


def candidates(
    m: Mapped, method: str, site: int, betas: Sequence[float], *, rng: np.random.Generator
) -> list[AffineRelation]:
    """A method's maps from one site: several where it has a gain to be chosen.

    Args:
        m: the relation.
        method: `LRE`, `LENS`, `SHIFT`, `SQUARES`, `MORE` or `RANDOM`.
        site: number of the subject's site.
        betas: gains.
        rng: of the random map.
    """
    if method == LENS:
        d = m.states.shape[2]
        return [AffineRelation(np.eye(d), np.zeros(d))]
    if method == SHIFT:
        return [m.translated(site)]
    if method in (SQUARES, MORE):
        base = m.fitted(site, more=method == MORE)
    else:
        base = m.embedding(site) if method == LRE else m.embedding(site).randomised(rng=rng)
    return [base.with_beta(beta) for beta in betas]


def best(
    m: Mapped,
    method: str,
    betas: Sequence[float],
    *,
    rng: np.random.Generator,
    sites: Sequence[int] | None = None,
) -> tuple[int, AffineRelation]:
    """The site and map of a method that agree most on the rows that choose.

    Args:
        m: the relation.
        method: as for `candidates`.
        betas: gains.
        rng: of the random map.
        sites: numbers of the sites; all by default.
    """
    among = range(len(m.sites)) if sites is None else sites
    options = [(k, r) for k in among for r in candidates(m, method, k, betas, rng=rng)]
    score = m.shares([(r, k) for k, r in options], m.chooses)
    return options[int(np.argmax(score))]


def faithful(
    m: Mapped, betas: Sequence[float], draws: int, *, rng: Streams
) -> dict[str, Float[np.ndarray, ...]]:
    """For every method, on which held-out rows its map says what the model says, (n,); `RANDOM`:
    (draws, n).

    Args:
        m: the relation.
        betas: gains.
        draws: random maps, at the site and with the gain of the mean Jacobian.
        rng: named random streams: ``random``, the relation and the draw's number.
    """
    methods = (LRE, LENS, SHIFT, SQUARES, MORE)
    chosen = {method: best(m, method, betas, rng=rng("faithful")) for method in methods}
    out = {method: m.agrees(map_, site, m.held) for method, (site, map_) in chosen.items()}
    site, own = chosen[LRE]
    drawn = [own.randomised(rng=rng("random", m.relation, str(k))) for k in range(draws)]
    out[RANDOM] = np.stack([m.agrees(relation, site, m.held) for relation in drawn])
    return out


def relation_scores(
    name: str, scores: Mapping[str, Mapping[str, Float[np.ndarray, ...]]]
) -> list[Evidence]:
    """Every condition of each relation; null: random maps.

    Args:
        name: what is measured.
        scores: relation → condition → 0 or 1 for each held-out subject, (n,); `RANDOM`: (draws, n).
    """
    rows = []
    for relation, by in scores.items():
        m = Measured(name, unit="share", where={"relation": relation})
        for condition, x in by.items():
            m.put(condition, x, role=ROLES.get(condition, "treatment"))
        rows += m.evidence(RANDOM)
    return rows


def margin_over_rivals(own: Any, *others: Any) -> Any:
    """How far a share is above one half, and above the best of others by a tenth: the smaller of
    the two, elementwise.
    """
    return np.minimum(own - 0.5, own - np.max(np.stack(others), axis=0) - 0.1)


class Margin(NamedTuple):
    """How far the mean Jacobian's map is above one half and a tenth above `RIVALS`.

    Attributes:
        evidence: `margin_over_rivals` of the relation where it is k-th largest.
        holds: relations where it is not below zero.
    """

    evidence: Evidence
    holds: list[str]


def faithful_margin(
    found: Sequence[Mapped], scores: Mapping[str, Mapping[str, Float[np.ndarray, ...]]], k: int = 3
) -> Margin:
    """`margin_over_rivals` of faithfulness over relations.

    Args:
        found: the relations, whose held-out subjects are the groups.
        scores: relation → method → 0 or 1 for each held-out subject, as `faithful` gives them.
        k: from 1, the largest; the least of all where there are fewer relations.
    """
    judged = {r: {name: by[name] for name in (LRE, *RIVALS)} for r, by in scores.items()}
    subjects = {m.relation: m.asked.subjects[m.held] for m in found}
    every, wanted = by_relation("faithfulness", subjects, judged), min(k, len(scores))

    def ranked(*shares: np.ndarray) -> np.ndarray:
        width = 1 + len(RIVALS)
        margins = [margin_over_rivals(*shares[i : i + width]) for i in range(0, len(shares), width)]
        return np.sort(np.stack(margins), axis=0)[-wanted]

    name = "faithfulness above ½ and a tenth above the best baseline"
    name = f"{name}, relation {wanted} of {len(scores)}"
    holds = [
        r for r, by in judged.items() if margin_over_rivals(*(x.mean() for x in by.values())) >= 0
    ]
    return Margin(every.combined(name, ranked, *every.conditions), holds)


def faithful_by_layer(
    found: Sequence[Mapped], methods: Sequence[str], betas: Sequence[float], *, rng: Streams
) -> list[Evidence]:
    """Faithfulness of methods at each site, the gain chosen there on other rows; the mean over
    relations, each a group.

    Args:
        found: the relations, with the same sites.
        methods: as for `candidates`.
        betas: gains.
        rng: named random streams: ``layers``, the method and the relation.

    Returns:
        Coordinates ``method`` and ``layer``, −1 for the embedding.
    """
    grid: dict[tuple[str, int], list[float]] = {}
    for method in methods:
        for k, site in enumerate(found[0].sites):
            layer, shares = Site.parse(site).layer, []
            for m in found:
                stream = rng("layers", method, m.relation)
                _, relation = best(m, method, betas, rng=stream, sites=[k])
                shares.append(float(m.agrees(relation, k, m.held).mean()))
            grid[method, -1 if layer is None else layer] = shares
    return measured_grid("faithfulness", grid, ("method", "layer"), unit="share")
