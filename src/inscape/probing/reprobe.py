"""Re-probing: what can still be read where an edit has acted, by probes that were told of it and by
probes that were not.

    told        probes fitted to edited activations, linear and MLP, on groups held out: is the
    label still there? not told    linear probes fitted to plain activations and read on edited
    ones: is the label where it was?

For a concept that was to go, the first must fall to chance; for one that was to be left alone, the
second must not fall. An added vector moves all rows alike and removes nothing: told probes find the
label as before.

Cost: folds fits of either kind for each condition and shuffle. Reference: Elazar and Goldberg
(2018), arXiv:1808.06640, for probes fitted anew on what an edit leaves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.nulls import permutations
from inscape.core.rng import generator
from inscape.data.examples import Examples
from inscape.probing.class_scores import ClassScores
from inscape.probing.class_task import ClassTask, predicted, taken_along

CS = (1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True, eq=False)
class Reprobe:
    """Activations at one site under several conditions.

    Attributes:
        examples: the texts, with a group.
        site: where all of them are read.
        states: condition → rows (n, d), such as `inscape.outcomes.passes.gather` gives under edits.
        plain: the condition without edits.
        folds: of whole groups.
        shuffles: of the labels, by group.
        seed: of folds, shuffles, nets and bootstrap.
    """

    examples: Examples
    site: str
    states: Mapping[str, np.ndarray]
    plain: str
    folds: int = 4
    shuffles: int = 5
    seed: int = 0

    def still_there(self, label: str, conditions: Sequence[str]) -> list[Evidence]:
        """Accuracy of probes fitted anew, linear and MLP, under each condition and none; null:
        shuffled labels.

        Args:
            label: column of classes.
            conditions: which.
        """
        task, rows = self._task(label), []
        for name in (self.plain, *conditions):
            x = self.states[name]
            result = task.sweep({self.site: x})
            chance = [
                task.scores.against_labels(
                    predicted(task.sweep({self.site: x}, y=task.y[o])), task.y[o]
                )
                for o in task.orders
            ]
            where = {"label": label, "condition": name}
            rows.append(
                task.scores.evidence(
                    "linear probe, fitted anew",
                    predicted(result),
                    chance,
                    where={**where, "probe": "linear"},
                    d=x.shape[1],
                )
            )
            rows.append(
                task.scores.evidence(
                    "MLP probe, fitted anew",
                    task.mlp(x, result.folds),
                    [
                        task.scores.against_labels(task.mlp(x, result.folds, task.y[o]), task.y[o])
                        for o in task.orders
                    ],
                    where={**where, "probe": "MLP"},
                    d=x.shape[1],
                )
            )
        return rows

    def left_alone(self, label: str, condition: str, nulls: Sequence[str], kind: str) -> Evidence:
        """Accuracy that probes of the plain activations lose under a condition, beside what they
        lose under others.

        Args:
            label: a concept that the edit is not about.
            condition: which.
            nulls: conditions of the null, such as random vectors.
            kind: what they are.
        """
        task = self._task(label)
        plain = {self.site: self.states[self.plain]}
        first = task.sweep(plain)
        before = predicted(first)

        def after(name: str) -> np.ndarray:
            return taken_along(first, plain, {self.site: self.states[name]}, task.y)

        own = task.scores.value(before)
        chance = [own - task.scores.value(after(name)) for name in nulls]
        # before less after: what is lost is a positive number
        return task.scores.evidence(
            f"accuracy lost on {label}",
            before,
            chance,
            kind,
            [after(condition)],
            where={"label": label, "condition": condition},
            direction="lower",
        )

    def _task(self, label: str) -> ClassTask:
        y, classes = self.examples.classes(label)
        groups = group_codes(self.examples.groups(), len(y))
        rng, hot = generator(self.seed, "reprobe", "shuffles"), np.eye(len(classes))[y]
        orders = permutations(len(y), self.shuffles, rng=rng, groups=groups, labels=hot)
        scores = ClassScores(y, groups, "balanced accuracy")
        folds = min(self.folds, int(groups.max()) + 1)
        return ClassTask(self.examples, y, classes, groups, orders, scores, folds, CS, self.seed)
