"""The protocol of a study that intervenes: the same questions under every condition, and every draw
of the controls.

    done = intervene(run, model, ask, questions, [
        Condition("baseline", "reference"),
        Condition("steered", edits=edits),
        *(Condition("random vectors", "null", edits=e) for e in random),
        Condition("trained", model=lambda: train(…)),
    ])
    m = done.put(Measured("wrong answers", groups=people), lambda answers: answers[WRONG])
    m.fall("steered", below="baseline", null="random vectors")

Conditions of one name are draws of it. A condition edits the model while it runs, or brings a model
of its own, which is made when its turn comes and dropped afterwards. An outcome answers for each
item with as many numbers as it likes, such as right, wrong and abstains: what an intervention was
not about is measured with what it was about.

Cost: that of the outcome, for each condition and draw.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from inscape.core.edit import Add, Scope
from inscape.core.measured import Measured, Role
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.study.run import Run

#: what a model answers under edits (None for none): (n,) or (kinds, n), one column for each example
Outcome = Callable[[Model, Examples, Any], np.ndarray]


@dataclass(frozen=True)
class Condition:
    """One condition, or one draw of it.

    Attributes:
        name: of the condition; draws of one condition share it.
        role: what it is to the others, as in `inscape.core.measured.Measured`.
        edits: what the outcome is given to edit the model with.
        model: makes the model that is asked in place of the unedited one.
        expensive: of a null whose draws are too dear for the hundreds that a p-value needs.
    """

    name: str
    role: Role = "treatment"
    edits: Any = None
    model: Callable[[], Model] | None = None
    expensive: bool = False


class Effects(NamedTuple):
    """What draws do that are each meant to move one kind of answer.

    Attributes:
        meant: by how much each draw moves its own kind, (draws, n).
        elsewhere: by how much it moves another kind, whichever way, in the mean, (draws, n).
    """

    meant: Float[np.ndarray, "draws n"]
    elsewhere: Float[np.ndarray, "draws n"]


@dataclass(frozen=True, eq=False)
class Intervened:
    """What was answered.

    Attributes:
        answers: condition → the outcome of each of its draws.
        conditions: the first draw of each, by name.
    """

    answers: Mapping[str, list[np.ndarray]]
    conditions: Mapping[str, Condition]

    def effects(self, name: str, over: str) -> Effects:
        """What a condition with a draw for each kind of answer does to its own kind and to the
        others.

        Draw i is meant to move kind i of the outcome; after the last kind they begin anew.

        Args:
            name: the condition; each of its draws has an outcome (kinds, n).
            over: the condition that answers are compared with, of one draw.

        Raises:
            ValueError: the draws are no whole number of rounds through the kinds.
        """
        moved = np.stack(self.answers[name]) - self.answers[over][0]
        draws, kinds, n = moved.shape
        if draws % kinds:
            raise ValueError(
                f"effects: {name!r} needs a draw for each of the {kinds} kinds of answer, got "
                f"{draws}"
            )
        own = np.eye(kinds, dtype=bool)[np.arange(draws) % kinds]
        rest = np.abs(moved[~own].reshape(draws, kinds - 1, n)).mean(axis=1)
        return Effects(moved[own], rest)

    def put(
        self,
        into: Measured,
        of: Callable[[np.ndarray], np.ndarray],
        second: Any = None,
        without: Sequence[str] = (),
    ) -> Measured:
        """Add every condition to a measurement, with its draws, role and cost.

        Args:
            into: the measurement.
            of: an outcome → one value for each item of the measurement.
            second: as `inscape.core.measured.Measured.put` takes it.
            without: conditions that are left out.

        Returns:
            `into`.
        """
        for name, draws in self.answers.items():
            if name not in without:
                first = self.conditions[name]
                values = np.stack([of(drawn) for drawn in draws])
                into.put(name, values, second, role=first.role, expensive=first.expensive)
        return into


def added(
    name: str, site: str, vectors: Any, length: float, role: Role = "treatment"
) -> list[Condition]:
    """Conditions that add one vector each to the last token's state, all of one length.

    Args:
        name: of all of them: each is a draw.
        site: where.
        vectors: (k, d), of any lengths.
        length: that they are given.
        role: as in `Condition`.
    """
    rows = np.asarray(vectors, dtype=np.float64)
    unit = torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)).float()
    return [Condition(name, role, [Add(Scope(site, "last"), v, float(length))]) for v in unit]


def intervene(
    run: Run, model: Model, outcome: Outcome, examples: Examples, conditions: Sequence[Condition]
) -> Intervened:
    """Ask under every condition.

    Args:
        run: shows one progress bar for all.
        model: the unedited model.
        outcome: what is asked.
        examples: of what.
        conditions: in order; those of one name are its draws.

    Raises:
        ValueError: draws of one condition with different roles.
    """
    first: dict[str, Condition] = {}
    for c in conditions:
        known = first.setdefault(c.name, c)
        if (known.role, known.expensive) != (c.role, c.expensive):
            raise ValueError(
                f"intervene: the draws of {c.name!r} must have one role, got {known.role} and "
                f"{c.role}"
            )

    def ask(c: Condition) -> np.ndarray:
        return outcome(model if c.model is None else c.model(), examples, c.edits)

    return _ask(run, [(c.name, partial(ask, c)) for c in conditions], first)


def tried(
    run: Run,
    draws: Mapping[str, Sequence[Callable[[], np.ndarray]]],
    roles: Mapping[str, Role] | None = None,
    expensive: Collection[str] = (),
) -> Intervened:
    """Conditions that each ask by themselves, where they differ in more than edits and model.

    Args:
        run: shows one progress bar for all.
        draws: condition → what gives the outcome of each of its draws, asked in order.
        roles: condition → its role; ``"treatment"`` for those that are not named.
        expensive: nulls whose draws are too dear for the hundreds that a p-value needs.
    """
    first = {
        name: Condition(name, (roles or {}).get(name, "treatment"), expensive=name in expensive)
        for name in draws
    }
    return _ask(run, [(name, ask) for name, each in draws.items() for ask in each], first)


def _ask(
    run: Run,
    draws: Sequence[tuple[str, Callable[[], np.ndarray]]],
    first: Mapping[str, Condition],
) -> Intervened:
    answers: dict[str, list[np.ndarray]] = {}
    with run.progress("intervene", total=len(draws), unit="conditions") as bar:
        for name, ask in draws:
            answers.setdefault(name, []).append(np.asarray(ask()))
            bar.advance()
    return Intervened(answers, first)
