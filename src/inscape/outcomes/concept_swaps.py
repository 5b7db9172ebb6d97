"""Edits that swap one object's direction for another's in a subject's state, at every layer.

An edit succeeds where the new object becomes likelier than the old one; beside it is counted where
the new object becomes the answer. Only questions for which the old object is the likelier one
without an edit are edited. Edits of all methods have the same length: a share of the mean length of
states at each site.

Cost: one pass over the questions for each set of directions and length.
Reference: Chanin, Hunter and Camburu (2024), arXiv:2311.08968, §5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from inscape.model.unembed import Readout
from inscape.outcomes.concept_relations import Chosen, ConceptRelation
from inscape.outcomes.relation_prompts import last_site


class Judged(NamedTuple):
    """What edits did, 1 or 0 for each subject and set of directions.

    Attributes:
        likelier: whether the new object is likelier than the old.
        answer: whether it is the answer.
    """

    likelier: Float[np.ndarray, "*sets n"]
    answer: Float[np.ndarray, "*sets n"]


@dataclass(frozen=True, eq=False)
class Swaps:
    """Subjects of a relation that are edited.

    Attributes:
        relation: the relation.
        rows: the subjects, (n,).
        aims: the object put in place of their own, (n,).
        lengths: of their states without an edit, by site: where concepts may be, and every block's
            output.
    """

    relation: ConceptRelation
    rows: Int[np.ndarray, " n"]
    aims: Int[np.ndarray, " n"]
    lengths: Mapping[str, float]

    def judge(self, outputs: Float[np.ndarray, "n d"]) -> Judged:
        """Whether the new object is likelier than the old, and whether it is the answer.

        Args:
            outputs: states of the last layer at the last token.
        """
        r, model = self.relation, self.relation.plain.model
        first = np.array(
            [r.asked.answer[np.flatnonzero(r.classes == c)[0]] for c in range(r.count)]
        )
        new, old, at = first[self.aims], first[r.classes[self.rows]], np.arange(len(self.rows))
        with torch.no_grad():
            logits = Readout.of(model)(torch.from_numpy(outputs).to(model.dtype)).float().cpu()
        scores = logits.numpy()
        prefers = scores[at, new] > scores[at, old]
        return Judged(prefers.astype(np.float64), (scores.argmax(-1) == new).astype(np.float64))

    def success(self, some: Sequence[Chosen], size: float) -> Judged:
        """What the swap does under each set of directions, (sets, n).

        Args:
            some: sets of directions.
            size: length of the edit, in lengths of the state.
        """
        r, out = self.relation, []
        plain, last = r.plain.take(self.rows), last_site(r.plain.model)
        pairs = list(zip(r.classes[self.rows].tolist(), self.aims.tolist(), strict=True))
        for c in some:
            step = np.stack([c.concepts.swap(old, new, size) for old, new in pairs])
            steps = {
                site: step * length
                for site, length in self.lengths.items()
                if site.startswith("resid_post") or site == r.maps[0].sites[c.site]
            }
            out.append(self.judge(plain.moved(last, steps)))
        return Judged(*(np.stack(part) for part in zip(*out, strict=True)))


def swaps(r: ConceptRelation, rows: Int[np.ndarray, " m"], *, rng: np.random.Generator) -> Swaps:
    """For each subject another object, of another first token, where the old one is the likelier
    without an edit.

    Args:
        r: the relation.
        rows: its subjects.
        rng: draws the objects.

    Returns:
        The swaps; without rows where no subject is left.
    """
    classes, model = r.classes, r.plain.model
    token = {int(c): int(r.asked.answer[np.flatnonzero(classes == c)[0]]) for c in classes}
    others = [[c for c in sorted(token) if token[c] != token[int(classes[i])]] for i in rows]
    some = np.array([i for i, o in zip(rows, others, strict=True) if o], dtype=np.int64)
    aims = np.array([rng.choice(o) for o in others if o], dtype=np.int64)
    if len(some):
        outputs = r.plain.take(some).outputs(last_site(model))
        kept = Swaps(r, some, aims, {}).judge(outputs).likelier == 0
        some, aims = some[kept], aims[kept]
    if not len(some):
        return Swaps(r, some, aims, {})
    blocks = [str(s) for s in model.sites if s.point == "resid_post"]
    sites = list(dict.fromkeys([*r.maps[0].sites, *blocks]))
    norms = np.linalg.norm(r.plain.take(some).states(sites), axis=2).mean(axis=1)
    return Swaps(r, some, aims, dict(zip(sites, norms.tolist(), strict=True)))


class Lengths(NamedTuple):
    """Edits of several lengths.

    Attributes:
        tried: ``relation``, ``series`` (the kind of direction), ``x`` (the length), ``chosen``,
            ``n``, and the shares of held-out subjects for whom the new object becomes likelier
            (``value``) and the answer (``says``).
        hits: at the chosen length, which edits succeed, by kind of direction, (sets, n).
    """

    tried: pd.DataFrame
    hits: dict[str, Float[np.ndarray, "sets n"]]


def tried_lengths(
    held: Swaps,
    train: Swaps,
    some: Mapping[str, Sequence[Chosen]],
    sizes: Sequence[float],
    *,
    own: str,
    random: str,
) -> Lengths:
    """Every kind of direction at every length; the length is chosen on training subjects.

    Args:
        held: held-out subjects.
        train: training subjects of the same relation.
        some: kind → sets of directions.
        sizes: lengths, in lengths of the state.
        own: the kind whose lead chooses.
        random: the kind over one set of which it leads.
    """
    lead = {}
    for size in sizes:
        mine, other = (train.success(some[n][:1], size).likelier.mean() for n in (own, random))
        lead[size] = mine - other
    best, rows, hits = max(lead, key=lambda size: lead[size]), [], {}
    for size in sizes:
        found = {name: held.success(sets, size) for name, sets in some.items()}
        where = {"x": size, "chosen": size == best, "n": len(held.rows)}
        for name, h in found.items():
            shares = {"value": float(h.likelier.mean()), "says": float(h.answer.mean())}
            rows.append({"relation": held.relation.name, "series": name, **where, **shares})
        if size == best:
            hits = {name: h.likelier for name, h in found.items()}
    return Lengths(pd.DataFrame(rows), hits)
