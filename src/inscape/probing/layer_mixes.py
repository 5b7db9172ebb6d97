"""One task read from the layers of an encoder in every way: the last, each, their mean, a learned
mix, side by side.

    mix    Σ_j softmax(s)_j h_j, with s learnt together with the probe

The same folds serve every reading, the same shuffled labels too; a copy with random weights is
mixed beside the encoder.

Cost: a sweep over the layers and a mix, for the labels and for each shuffle.
Reference: Peters et al. (2018), arXiv:1802.05365, eq. 1; Kodge and Roy (2021), BERMo,
arXiv:2110.15802.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float, Int

from inscape.core.averages import average_evidence
from inscape.core.evidence import Evidence
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured
from inscape.core.rank_correlation import rank_correlation
from inscape.core.threads import side_by_side
from inscape.probing.class_task import ClassTask, predicted
from inscape.probing.sweep_result import SweepResult
from inscape.read.scalar_mix import ScalarMixProbe

LAST, BEST, MEAN, MIX, SIDE = (
    "last layer",
    "chosen layer",
    "plain mean",
    "scalar mix",
    "concatenation",
)
MIX_RANDOM = "scalar mix, random weights"


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Labels shuffled, and what the readings predict that were fitted on them."""

    y: Int[np.ndarray, " n"]
    made: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class MixReadings:
    """What was read.

    Attributes:
        name: of the task.
        task: the task.
        made: reading → held-out class codes, (n,).
        layers: the sweep over single layers.
        mix: weights of the layers, averaged over folds, (layers,).
        shuffled: `MIX`, `LAST` and `BEST` on each shuffle of the labels.
    """

    name: str
    task: ClassTask
    made: dict[str, np.ndarray]
    layers: SweepResult
    mix: Float[np.ndarray, " layers"]
    shuffled: list[Shuffled]

    @property
    def accuracy(self) -> dict[str, float]:
        """Reading → held-out accuracy."""
        return {name: float((made == self.task.y).mean()) for name, made in self.made.items()}

    @property
    def centre(self) -> float:
        """The mean layer under the mix's weights, 0 for the embedding."""
        return float(self.mix @ np.arange(len(self.mix)))

    @property
    def chance(self) -> list[float]:
        """Accuracy that knowing only how frequent the classes are gives: Σ p², for each shuffle."""
        return [float(((np.bincount(s.y) / len(s.y)) ** 2).sum()) for s in self.shuffled]

    @property
    def null(self) -> list[float]:
        """Accuracy of the mix on each shuffle of the labels."""
        return [float((s.made[MIX] == s.y).mean()) for s in self.shuffled]

    @property
    def best(self) -> float:
        """The single layer with the highest held-out accuracy, the mean of those that share it: for
        showing only.
        """
        scores = self.layers.scores[:, 0]
        return float(np.flatnonzero(np.isclose(scores, scores.max())).mean())

    def evidence(self) -> list[Evidence]:
        """Accuracy of every reading, beside the mix on shuffled labels; tested against nothing."""
        scores = replace(self.task.scores, metric="accuracy")
        where = {"task": self.name}
        rows = {name: {**where, "reading": name} for name in self.made}
        return [
            replace(scores.evidence("accuracy", made, self.null, where=rows[name]), p=None)
            for name, made in self.made.items()
        ]

    def by_layer(self) -> list[Evidence]:
        """Accuracy of every single layer; ``target`` is the task."""
        where = {"target": self.name, "lens": "single layer"}
        return [
            replace(e, name="accuracy", unit="", where={**e.where, **where})
            for e in self.layers.evidence
        ]

    def gain(self, a: str, b: str) -> Evidence:
        """Accuracy of one reading minus that of another."""
        scores, where = replace(self.task.scores, metric="accuracy"), {"task": self.name}
        return scores.evidence(
            f"accuracy: {a} − {b}", self.made[a], against=[self.made[b]], where=where
        )

    def gap(self, a: str, b: str, drawn: Shuffled | None = None) -> Jackknife:
        """Accuracy of one reading minus that of another, over groups; of shuffled labels where a
        draw is given."""
        made, y = (self.made, self.task.y) if drawn is None else (drawn.made, drawn.y)
        scores = replace(self.task.scores, metric="accuracy", y=y)
        return scores.jackknife(made[a]) - scores.jackknife(made[b])


def mix_readings(
    name: str,
    task: ClassTask,
    layers: Mapping[str, Float[np.ndarray, "n d"]],
    blank: Mapping[str, Float[np.ndarray, "n d"]],
    *,
    Cs: Sequence[float],
    max_iter: int = 60,
) -> MixReadings:
    """Every reading of one task, on the same folds.

    Args:
        name: of the task.
        task: what is asked.
        layers: site → the encoder's states, the embedding first.
        blank: those of a copy with random weights.
        Cs: inverse penalties of the mix, chosen inside the training folds.
        max_iter: iterations of the mix.
    """
    last = {site: x for site, x in layers.items() if site == list(layers)[-1]}
    scaled = [
        (m - m.mean(axis=0)) / max(float(m.std(axis=0).mean()), 1e-9) for m in layers.values()
    ]
    sweep = task.sweep(layers)
    mixed = partial(_mixed, task, sweep.folds, Cs, max_iter)
    stack = np.stack(list(layers.values()), axis=1)
    own, mix = mixed(stack, task.y)
    made = {
        LAST: predicted(task.sweep(last)),
        MEAN: predicted(task.sweep({"mean": np.mean(scaled, axis=0)})),
        SIDE: predicted(task.sweep({"all": np.concatenate(scaled, axis=1)})),
        BEST: predicted(sweep),
        MIX: own,
        MIX_RANDOM: mixed(np.stack(list(blank.values()), axis=1), task.y)[0],
    }
    shuffled = []
    for order in task.orders:
        y = task.y[order]
        by = {LAST: predicted(task.sweep(last, y=y)), BEST: predicted(task.sweep(layers, y=y))}
        shuffled.append(Shuffled(y, {MIX: mixed(stack, y)[0], **by}))
    return MixReadings(name, task, made, sweep, mix, shuffled)


def mean_accuracy(found: Sequence[MixReadings]) -> dict[str, float]:
    """Reading → held-out accuracy, the mean over tasks.

    Args:
        found: the tasks.
    """
    return {name: float(np.mean([r.accuracy[name] for r in found])) for name in found[0].made}


def shuffled_above_chance(found: Sequence[MixReadings]) -> Evidence:
    """Accuracy of the mix on shuffled labels less Σ p² of their classes: zero but for noise, where
    nothing leaks. The mean over tasks and shuffles; a group is a task.

    Args:
        found: the tasks.
    """
    name, tasks = "accuracy with shuffled labels − chance", [r.name for r in found for _ in r.null]
    m = Measured(name, groups=tasks, unit="accuracy")
    m.put(MIX, np.concatenate([np.subtract(r.null, r.chance) for r in found]))
    return m.value(MIX)


def centre_against_best(found: Sequence[MixReadings], *, rng: np.random.Generator) -> Evidence:
    """Spearman's ρ over tasks of the mix's centre and the layer with the highest held-out accuracy;
    null: tasks permuted.

    Args:
        found: the tasks, at least three.
        rng: of the permutations.
    """
    return rank_correlation(
        "rank correlation of the mix's centre and the best layer",
        np.array([r.centre for r in found]),
        np.array([r.best for r in found]),
        rng=rng,
        kind="tasks permuted",
    )


def mean_gain(found: Sequence[MixReadings], a: str, b: str) -> Evidence:
    """Accuracy of one reading minus that of another, the mean over tasks; null: both on the same
    shuffled labels.

    Args:
        found: the tasks, each with as many shuffles.
        a, b: readings.
    """
    rounds = zip(*(r.shuffled for r in found), strict=True)
    return average_evidence(
        f"accuracy: {a} − {b}, mean of {len(found)} tasks",
        [r.gap(a, b) for r in found],
        null=[[r.gap(a, b, s) for r, s in zip(found, of, strict=True)] for of in rounds],
        kind="both on the same shuffled labels",
        expensive=True,
        unit="accuracy",
    )


def _mixed(
    task: ClassTask,
    folds: np.ndarray,
    Cs: Sequence[float],
    max_iter: int,
    x: np.ndarray,
    y: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out predictions of the mix, and its weights averaged over the folds."""

    def one(fold: int) -> tuple[np.ndarray, np.ndarray]:
        held, state = folds == fold, task.seed % 2**32
        probe = ScalarMixProbe(Cs, max_iter=max_iter, folds=3, random_state=state)
        probe.fit(x[~held], y[~held], groups=task.groups[~held])
        return probe.predict(x[held]), probe.mix_

    found = side_by_side(one, range(int(folds.max()) + 1))
    out = np.empty(len(y), dtype=np.int64)
    for fold, (made, _) in enumerate(found):
        out[folds == fold] = made
    return out, np.mean([mix for _, mix in found], axis=0)
