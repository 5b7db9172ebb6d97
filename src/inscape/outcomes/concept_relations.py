"""One relation as a classification of its subjects by their objects: directions made on some,
judged on others.

Directions come from prompts with answered questions before them; the same questions are also asked
alone. Each method's directions are those at the site, and with the settings, that classify one half
of the training subjects from the other.

    inverted relation          the relation's low-rank inverse applied to mean object states before the last layer
    object of the last layer   the same with object states of the last layer
    linear SVM, mean difference, plain mean    of the same training subjects' states

Cost: `linearise` for each object site; the choices are fits on a few rows.
Reference: Chanin, Hunter and Camburu (2024), arXiv:2311.08968, §3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from inscape.core.folds import group_codes
from inscape.core.measured import Measured, Role
from inscape.data.examples import Examples
from inscape.outcomes.relation_maps import Mapped, linearise
from inscape.outcomes.relation_prompts import Asked, ask, last_site
from inscape.read.relational_concepts import (
    Concepts,
    mean_concepts,
    plain_concepts,
    relational_concepts,
    svm_concepts,
    unit_directions,
)

LRC, FINAL, SVM, MEANS, PLAIN = (
    "inverted relation",
    "object of the last layer",
    "linear SVM",
    "mean difference",
    "plain mean",
)
SHUFFLED, MAJORITY, CHANCE = "shuffled objects", "majority", "chance"
ROLES: dict[str, Role] = {
    **dict.fromkeys((FINAL, SVM, MEANS, PLAIN, MAJORITY), "baseline"),
    CHANCE: "reference",
    SHUFFLED: "null",
}


@dataclass(frozen=True, eq=False)
class Chosen:
    """A method's directions, and the site of the subject they are for.

    Attributes:
        site: its number among the sites of the subject.
        concepts: the directions.
    """

    site: int
    concepts: Concepts


@dataclass(frozen=True, eq=False)
class ConceptRelation:
    """One relation.

    Attributes:
        maps: to each object site, the last layer's last.
        plain: the same questions alone, without answered ones before them.
        read: their subjects' states, (sites, n, d).
        classes: the object of each subject, 0, 1, …, (n,).
        train: which subjects train, (n,).
        inner: of these, which choose, (n,).
    """

    maps: list[Mapped]
    plain: Asked
    read: Float[np.ndarray, "sites n d"]
    classes: Int[np.ndarray, " n"]
    train: Bool[np.ndarray, " n"]
    inner: Bool[np.ndarray, " n"]

    @property
    def name(self) -> str:
        """Its name."""
        return self.asked.relation

    @property
    def states(self) -> Float[np.ndarray, "sites n d"]:
        """Subjects' states behind answered questions."""
        return self.maps[0].states

    @property
    def asked(self) -> Asked:
        """The questions that the model answers, with answered ones before them."""
        return self.maps[0].asked

    @property
    def held(self) -> Int[np.ndarray, " m"]:
        """Subjects that do not train."""
        return np.flatnonzero(~self.train)

    @property
    def count(self) -> int:
        """How many objects there are."""
        return int(self.classes.max()) + 1

    def directions(
        self,
        method: str,
        site: int,
        rows: np.ndarray,
        ranks: Sequence[int],
        classes: np.ndarray | None = None,
    ) -> list[Concepts]:
        """A method's directions at one site: several where rank and object's site are to be chosen.

        Args:
            method: `LRC`, `FINAL`, `SVM`, `MEANS` or `PLAIN`.
            site: number of the subject's site.
            rows: training subjects.
            ranks: of the inverse.
            classes: other objects of all subjects, of a null.
        """
        y = (self.classes if classes is None else classes)[rows]
        simple = {MEANS: mean_concepts, PLAIN: plain_concepts, SVM: svm_concepts}
        if method in simple:
            return [simple[method](self.states[site][rows], y)]
        maps = self.maps[-1:] if method == FINAL else self.maps[:-1]
        return [
            relational_concepts(own, m.outputs[rows], y, min(rank, own.rank))
            for m, own in ((m, m.embedding(site)) for m in maps)
            for rank in ranks
        ]

    def choose(
        self, method: str, ranks: Sequence[int], classes: np.ndarray | None = None
    ) -> Chosen:
        """Directions of all training subjects, at the site and with the settings that classify one
        half from the other.

        Args:
            method: as for `directions`.
            ranks: as for `directions`.
            classes: as for `directions`.
        """
        y = self.classes if classes is None else classes
        half, other = (np.flatnonzero(self.train & part) for part in (~self.inner, self.inner))
        best, at = -1.0, (0, 0)
        for site in range(len(self.states)):
            for k, concepts in enumerate(self.directions(method, site, half, ranks, y)):
                score = (concepts.predict(self.states[site][other]) == y[other]).mean()
                if score > best:
                    best, at = float(score), (site, k)
        rows = np.flatnonzero(self.train)
        return Chosen(at[0], self.directions(method, at[0], rows, ranks, y)[at[1]])

    def methods(
        self, ranks: Sequence[int], shuffles: int, *, rng: Callable[..., np.random.Generator]
    ) -> dict[str, list[Chosen]]:
        """Every method's directions; `LRC` once for each shuffle of the objects too.

        Args:
            ranks: of the inverse.
            shuffles: of the objects, so that each keeps its rows in both halves of the training
                subjects.
            rng: named random streams: ``shuffled``, the relation and the shuffle's number.
        """
        out = {name: [self.choose(name, ranks)] for name in (LRC, FINAL, SVM, MEANS, PLAIN)}
        out[SHUFFLED] = []
        for k in range(shuffles):
            stream, mixed = rng("shuffled", self.name, str(k)), self.classes.copy()
            for part in (self.train & self.inner, self.train & ~self.inner):
                mixed[part] = stream.permutation(self.classes[part])
            out[SHUFFLED].append(self.choose(LRC, ranks, mixed))
        return out

    def right(
        self, methods: Mapping[str, Sequence[Chosen]], states: Float[np.ndarray, "sites n d"]
    ) -> dict[str, np.ndarray]:
        """Which held-out subjects each method classifies rightly, (sets, m), with what needs no
        state beside it.

        Args:
            methods: method → its sets of directions.
            states: of all subjects.
        """
        truth = self.classes[self.held]
        right: dict[str, np.ndarray] = {
            name: np.stack([c.concepts.predict(states[c.site][self.held]) == truth for c in some])
            for name, some in methods.items()
        }
        right[MAJORITY] = (truth == np.bincount(self.classes[self.train]).argmax())[None]
        right[CHANCE] = np.full((1, len(truth)), 1.0 / self.count)
        return right

    def random(
        self, like: Chosen, draws: int, *, rng: Callable[..., np.random.Generator]
    ) -> list[Chosen]:
        """Random directions for every object, at the same site.

        Args:
            like: whose site and shape they have.
            draws: sets of them.
            rng: named random streams: ``random``, the relation and the draw's number.
        """
        shape, names = like.concepts.directions.shape, [str(k) for k in range(draws)]
        drawn = [rng("random", self.name, k).normal(size=shape) for k in names]
        return [Chosen(like.site, unit_directions(rows)) for rows in drawn]


def shared_objects(asked: Asked, least: int = 3) -> Asked:
    """Subjects whose object at least so many of them have.

    Args:
        asked: the questions.
        least: subjects of an object.
    """
    _, code, count = np.unique(asked.objects.astype(str), return_inverse=True, return_counts=True)
    return asked.take(count[code] >= least)


def concept_relation(
    asked: Asked,
    examples: Examples,
    *,
    sites: Sequence[str],
    objects: Sequence[str],
    count: int,
    share: float,
    rng: Callable[..., np.random.Generator],
    advance: Callable[[], object],
) -> ConceptRelation:
    """Maps to every object site from the same examples, and a split that leaves every object on
    both sides.

    Args:
        asked: questions that the model answers, of objects that several subjects share.
        examples: the table they come from.
        sites: of the subject.
        objects: sites of the object, beside the last layer.
        count: subjects that are linearised; they train.
        share: of each object's subjects that train, two at least and all but one at most.
        rng: named random streams: ``deal`` and ``split``, each with the relation.
        advance: called after each Jacobian.
    """
    maps = [
        linearise(asked, sites, out, count, rng=rng("deal", asked.relation), advance=advance)
        for out in (*objects, last_site(asked.model))
    ]
    classes, stream = group_codes(asked.objects.astype(str)), rng("split", asked.relation)
    train, inner = np.zeros((2, len(asked)), dtype=bool)
    train[maps[0].examples] = True
    for c in range(int(classes.max()) + 1):
        mine = classes == c
        rows, size = stream.permutation(np.flatnonzero(mine & ~train)), int(mine.sum())
        wanted = min(size - 1, max(2, round(share * size)))
        train[rows[: max(0, wanted - int((train & mine).sum()))]] = True
        some = stream.permutation(np.flatnonzero(mine & train))
        inner[some[: len(some) // 2]] = True
    plain = _alone(examples, asked)
    return ConceptRelation(maps, plain, plain.states(sites), classes, train, inner)


def over_relations(
    name: str,
    unit: str,
    subjects: Sequence[np.ndarray],
    values: Sequence[Mapping[str, np.ndarray]],
) -> Measured:
    """The mean over relations of their means, over groups of subjects: every relation weighs the
    same.

    Args:
        name: what is measured.
        unit: its unit.
        subjects: of each relation, (n,).
        values: of each relation: condition → one value a subject, (draws, n).
    """
    weight = np.concatenate([np.full(len(own), 1.0 / len(own)) for own in subjects])
    m = Measured(name, groups=np.concatenate(subjects).astype(str), unit=unit, kind="ratio")
    for condition in values[0]:
        whole = np.concatenate([own[condition] for own in values], axis=1)
        m.put(condition, whole * weight, weight, role=ROLES.get(condition, "treatment"))
    return m


def _alone(examples: Examples, asked: Asked) -> Asked:
    """The same questions, in the same order, with nothing before them."""
    rows = (examples.frame["relation"] == asked.relation).to_numpy()
    found = ask(asked.model, examples.take(rows), 0, rng=np.random.default_rng(0))
    place = {str(s): i for i, s in enumerate(found.subjects)}
    return found.take(np.array([place[str(s)] for s in asked.subjects]))
