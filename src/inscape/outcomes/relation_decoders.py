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

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from inscape.core.measured import Role
from inscape.outcomes.relation_maps import Mapped
from inscape.read.relational import AffineRelation

LRE, LENS, SHIFT, SQUARES, RANDOM = (
    "mean Jacobian",
    "logit lens",
    "translation",
    "least squares",
    "random map",
)
MORE, WHOLE = "least squares, all training rows", "the other subject's whole state"
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
