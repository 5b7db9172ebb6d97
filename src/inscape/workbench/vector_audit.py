"""The audit of a steering vector: what it moves, beside vectors that mean nothing; what it does to
other text; what probes read under it.

    audit = VectorAudit.of(model, vector, examples, y, judged=4.0, random=39, relabelled=39)
    responses = audit.responses(outcome, strengths=(-4.0, 4.0, 8.0), beside=5)
    audit.side_effects(neutral, strengths=(4.0, 8.0))

Controls are random vectors, as long on every block and as alike from block to block, and vectors
found from labels half of which are swapped (`inscape.control.matched_vectors`).

Cost: strengths × (1 + draws) outcomes; one pass of neutral text and of probed texts for each
condition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.control.matched_vectors import random_vectors, relabelled_vectors
from inscape.control.steering_vector import SteeringVector
from inscape.core.edit import Edit
from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.rng import generator
from inscape.core.site import Site
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.dose_response import (
    Dose,
    Outcome,
    Response,
    asked_in_all,
    dose_response,
)
from inscape.outcomes.passes import gather
from inscape.outcomes.side_effects import PLAIN, each_measured
from inscape.probing.reprobe import Reprobe
from inscape.workbench.steering import stacked

RANDOM, RELABELLED = "random vectors", "labels half swapped"
#: random vectors beside probes, each of which costs a pass
_PROBED = 5


class Reprobed(NamedTuple):
    """Probes of texts under a vector.

    Attributes:
        concept: accuracy on the vector's own label, probes fitted anew, with the vector and
            without.
        lost: for each other label the accuracy that probes of the plain activations lose, beside
            random vectors.
        missing: other labels that the texts do not have.
    """

    concept: list[Evidence]
    lost: list[Evidence]
    missing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class VectorAudit:
    """A vector with the vectors that it must beat.

    Attributes:
        model: whom it steers.
        vector: the one that is audited.
        judged: the strength named beforehand.
        controls: kind → vectors.
        warning: why a kind of control is missing; empty where none is.
    """

    model: Model
    vector: SteeringVector
    judged: float
    controls: Mapping[str, list[SteeringVector]]
    warning: str = ""

    @classmethod
    def of(
        cls,
        model: Model,
        vector: SteeringVector,
        examples: Examples,
        y: Int[np.ndarray, " n"],
        *,
        at: str = "last",
        judged: float,
        random: int,
        relabelled: int,
        seed: int = 0,
    ) -> VectorAudit:
        """Draw the controls.

        Args:
            model: whom the vector steers.
            vector: from `inscape.workbench.steering.make_vector`, or a file's.
            examples: texts of two classes, with a group.
            y: their classes, 0 or 1.
            at: the position at which vectors from swapped labels are found.
            judged: the strength that claims are judged at.
            random: random vectors.
            relabelled: vectors from swapped labels; there are none where groups have one class.
            seed: of both.
        """
        sites = [Site("resid_post", layer) for layer in vector.vectors]
        x, groups = stacked(model, examples, sites, at), group_codes(examples.groups())
        controls = {RANDOM: random_vectors(vector, random, rng=generator(seed, "random"))}
        warning, rng = "", generator(seed, "relabelled")
        try:
            controls[RELABELLED] = relabelled_vectors(vector, x, y, groups, relabelled, rng=rng)
        except ValueError as error:
            warning = f"No vectors from swapped labels: {error}."
        return cls(model, vector, judged, controls, warning)

    @property
    def at(self) -> str:
        """The judged strength in words."""
        return f"strength {self.judged:g}"

    def counts(self, strengths: Sequence[float], beside: int) -> dict[float, int]:
        """How many draws of each kind stand beside each strength: all at the judged one."""
        most = max(len(draws) for draws in self.controls.values())
        return {s: most if s == self.judged else beside for s in strengths}

    def asked(self, strengths: Sequence[float], beside: int) -> int:
        """How often `responses` asks for an outcome."""
        return asked_in_all(self._doses(), self.counts(strengths, beside))

    def responses(
        self,
        outcome: Outcome,
        strengths: Sequence[float],
        beside: int,
        advance: Callable[[], None] | None = None,
    ) -> list[Response]:
        """The response at each strength, beside controls.

        Args:
            outcome: what is asked of the texts.
            strengths: none of them 0.
            beside: draws of each kind at strengths other than the judged one.
            advance: called after each outcome.
        """
        counts = self.counts(strengths, beside)
        return dose_response(outcome, _dose(self.vector), self._doses(), counts, advance)

    def side_effects(
        self, neutral: Examples, strengths: Sequence[float], random: int
    ) -> list[Evidence]:
        """KL divergence, perplexity and next-token accuracy on neutral text at each strength,
        beside random vectors at the judged one.

        Args:
            neutral: texts about something else; without a group each counts as its own.
            strengths: tried.
            random: random vectors.
        """
        own = np.arange(len(neutral))
        groups = own if neutral.group is None else neutral.groups()
        conditions = {f"strength {s:g}": self.vector.edits(float(s)) for s in strengths}
        kind, nulls = f"{RANDOM} at {self.at}", self._nulls(random)
        return each_measured(self.model, neutral.texts(), conditions, nulls, groups, kind)

    def reprobed(
        self, few: Examples, site: str, label: str, also: Sequence[str], seed: int
    ) -> Reprobed:
        """Other concepts by probes that were not told, the concept by probes that were.

        Args:
            few: texts, with a group.
            site: where all are read, at the last token.
            label: the concept.
            also: other labels.
            seed: of the probes.
        """
        nulls = self._nulls(_PROBED)
        conditions = {PLAIN: [], self.at: self.vector.edits(float(self.judged)), **nulls}
        states = {n: gather(self.model, few, site, edits=list(e)) for n, e in conditions.items()}
        probes = Reprobe(few, site, states, PLAIN, seed=seed)
        other = [name for name in also if name in few.frame and name != label]
        lost = [probes.left_alone(name, self.at, list(nulls), RANDOM) for name in other]
        missing = tuple(sorted(set(also) - set(other)))
        return Reprobed(probes.still_there(label, [self.at]), lost, missing)

    def _nulls(self, most: int) -> dict[str, Sequence[Edit]]:
        drawn = self.controls[RANDOM][:most]
        return {f"random {k}": v.edits(float(self.judged)) for k, v in enumerate(drawn)}

    def _doses(self) -> dict[str, list[Dose]]:
        return {kind: [_dose(v) for v in drawn] for kind, drawn in self.controls.items()}


def _dose(vector: SteeringVector) -> Dose:
    return lambda strength: vector.edits(float(strength))
