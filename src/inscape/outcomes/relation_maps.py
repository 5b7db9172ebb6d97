"""Relations of one model as maps: the questions it answers, their states, and the Jacobians of a
few of them.

Rows of a relation are dealt once: a few are linearised, a part chooses (layer, gain, rank), the
rest is held out. A subject is one row, so nothing of it is on two sides. Cost: per relation,
`examples` Jacobians and a few tokens for every question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from inscape.core.errors import StudyError
from inscape.core.measured import Measured
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.relation_prompts import Asked, ask, decode, first_token, relation_names
from inscape.read.relational import AffineRelation, least_squares, mean_relation, translation
from inscape.read.subject_jacobian import subject_jacobian


@dataclass(frozen=True, eq=False)
class Mapped:
    """One relation.

    Attributes:
        asked: the questions that the model answers.
        sites: where subjects' states are taken.
        output: where objects' states are.
        states: (sites, n, d).
        outputs: (n, k).
        examples, chooses, held: rows that are linearised, that choose, and that are held out.
        jacobians: of the examples, (sites, examples, k, d).
    """

    asked: Asked
    sites: tuple[str, ...]
    output: str
    states: Float[np.ndarray, "sites n d"]
    outputs: Float[np.ndarray, "n k"]
    examples: np.ndarray
    chooses: np.ndarray
    held: np.ndarray
    jacobians: Float[np.ndarray, "sites examples k d"]

    @property
    def relation(self) -> str:
        """Its name."""
        return self.asked.relation

    def embedding(self, site: int) -> AffineRelation:
        """The linear relational embedding from a site; made once, with its singular vectors."""
        return self._embeddings[site]

    @cached_property
    def _embeddings(self) -> list[AffineRelation]:
        few = self.examples
        return [
            mean_relation(j, s[few], self.outputs[few])
            for j, s in zip(self.jacobians, self.states, strict=True)
        ]

    def translated(self, site: int) -> AffineRelation:
        """The translation fitted on the same examples."""
        return translation(self.states[site][self.examples], self.outputs[self.examples])

    def fitted(self, site: int, more: bool = False) -> AffineRelation:
        """Least squares on the same examples, or with `more` on those that choose too."""
        rows = np.concatenate([self.examples, self.chooses]) if more else self.examples
        return least_squares(self.states[site][rows], self.outputs[rows])

    def agrees(
        self, relation: Callable[[np.ndarray], np.ndarray], site: int, rows: np.ndarray
    ) -> np.ndarray:
        """For which rows the map's object is decoded to what the model says, 1 or 0 each."""
        found = decode(self.asked.model, relation(self.states[site][rows]))
        return (found == self.asked.said[rows]).astype(np.float64)

    def shares(
        self, options: Sequence[tuple[Callable[[np.ndarray], np.ndarray], int]], rows: np.ndarray
    ) -> np.ndarray:
        """Share of rows on which each of several maps, with its site, agrees; decoded together."""
        guesses = np.concatenate([relation(self.states[site][rows]) for relation, site in options])
        found = decode(self.asked.model, guesses).reshape(len(options), -1)
        return (found == self.asked.said[rows]).mean(axis=1)


def answered(
    model: Model,
    examples: Examples,
    relations: Sequence[str],
    shots: int,
    least: int,
    *,
    rng: np.random.Generator,
) -> tuple[list[Asked], dict[str, tuple[int, int]]]:
    """Ask every relation and keep those of which the model answers enough.

    Args:
        model: whom.
        examples: all relations' rows.
        relations: which are asked, in order; none for all of the table.
        shots: examples before each question.
        least: answers needed.
        rng: chooses the shots.

    Returns:
        The questions answered, by relation; for every relation how many were answered of how many.

    Raises:
        StudyError: a relation that the table lacks, or none that is answered often enough.
    """
    names = list(relations) or relation_names(examples)
    kept, known = [], {}
    for name in names:
        rows = (examples.frame["relation"] == name).to_numpy()
        if not rows.any():
            raise StudyError(
                f"There is no relation {name!r}; the table has "
                f"{', '.join(relation_names(examples))}."
            )
        asked = ask(model, examples.take(rows), shots, rng=rng)
        known[name] = (int(asked.known.sum()), len(asked))
        if asked.known.sum() >= least:
            kept.append(asked.take(asked.known))
    if not kept:
        raise StudyError(
            f"{model.name} answers no relation {least} times; known are "
            + ", ".join(f"{a} of {b} of {n!r}" for n, (a, b) in known.items())
            + (
                ". Give a larger model, more examples before each question (shots), or a lower "
                "bound (least)."
            )
        )
    return kept, known


def not_copied(asked: Asked) -> Asked:
    """Questions whose answer's first token is not their subject's, which could be copied.

    Args:
        asked: questions that the model answers.
    """
    own = [first_token(asked.model, str(s)) for s in asked.subjects]
    return asked.take(asked.answer != np.array(own))


def linearise(
    asked: Asked,
    sites: Sequence[str],
    output: str,
    examples: int,
    *,
    rng: np.random.Generator,
    advance: Callable[[], object] = lambda: None,
) -> Mapped:
    """States of all questions and Jacobians of some.

    Args:
        asked: questions that the model answers.
        sites: residual sites of the subject.
        output: site of the object's state.
        examples: how many are linearised, one of each object as far as they go; half of the rest
            chooses.
        rng: deals the rows.
        advance: called after each Jacobian.
    """
    order = rng.permutation(len(asked))
    seen: dict[str, int] = {}
    turn = np.empty(len(order), dtype=np.int64)
    for i, row in enumerate(order):
        turn[i] = seen.get(str(asked.objects[row]), 0)
        seen[str(asked.objects[row])] = turn[i] + 1
    order = order[np.argsort(turn, kind="stable")]
    few, rest = order[:examples], rng.permutation(order[examples:])
    jacobians = []
    for row in few:
        found = subject_jacobian(
            asked.model, asked.tokens[row], int(asked.position[row]), list(sites), output
        )
        jacobians.append(found.jacobians.float().cpu().numpy())
        advance()
    half = len(rest) // 2
    states = asked.states(sites)
    return Mapped(
        asked,
        tuple(sites),
        output,
        states,
        asked.outputs(output),
        np.sort(few),
        np.sort(rest[:half]),
        np.sort(rest[half:]),
        np.stack(jacobians, axis=1)[:, np.argsort(few)],
    )


def by_relation(
    name: str,
    subjects: Mapping[str, np.ndarray],
    values: Mapping[str, Mapping[str, np.ndarray]],
) -> Measured:
    """What holds for each subject under several conditions, as one measurement over all relations.

    Args:
        name: what is measured.
        subjects: relation → its subjects, (n,); one that several relations ask about is one group.
        values: relation → condition → 0 or 1 for each subject, (n,), or (draws, n).

    Returns:
        Conditions named ``RELATION, CONDITION``, in the order given: the share within that
        relation.
    """
    sizes = [len(subjects[r]) for r in values]
    of = np.repeat(np.arange(len(sizes)), sizes)
    groups = np.concatenate([subjects[r] for r in values]).astype(str)
    m = Measured(name, groups=groups, unit="share", kind="ratio")
    for k, (relation, by) in enumerate(values.items()):
        for condition, x in by.items():
            part = np.zeros((len(np.atleast_2d(x)), len(of)))
            part[:, of == k] = x
            m.put(f"{relation}, {condition}", part, (of == k).astype(np.float64))
    return m
