"""Scores of predicted classes, with an interval over groups and a null of predictions made from
shuffled labels.

    macro-F1 = mean over classes of 2 tp / (predicted + true)        balanced accuracy = mean over classes of tp / true

Both are functions of three counts a class, which add over groups: a jackknife over groups is a
subtraction, and differences of two scores are paired.

Reference: Opitz and Burst (2019), Macro F1 and macro F1, arXiv:1911.03347 (the mean of the classes'
F1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from inscape.core import intervals
from inscape.core.evidence import Evidence, Null
from inscape.core.folds import group_codes
from inscape.core.formulas import mean_of
from inscape.core.jackknife import Jackknife, combine
from inscape.core.nulls import one_sided_p

METRICS = ("macro-F1", "balanced accuracy", "accuracy")


@dataclass(frozen=True, eq=False)
class ClassScores:
    """How predictions of one label are scored.

    Attributes:
        y: true class codes, (n,).
        groups: group of each row.
        metric: ``"macro-F1"``, ``"balanced accuracy"`` or ``"accuracy"``.
        level: of the intervals.

    Example:
        >>> scores = ClassScores(np.array([0, 0, 1, 1]), np.arange(4))
        >>> round(scores.value(np.array([0, 0, 1, 0])), 3)
        0.733
    """

    y: Int[np.ndarray, " n"]
    groups: np.ndarray
    metric: str = "macro-F1"
    level: float = 0.95

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(
                f"ClassScores: metric must be one of {', '.join(METRICS)}, got {self.metric!r}"
            )

    @cached_property
    def codes(self) -> Int[np.ndarray, " n"]:
        """Groups as 0 … G − 1."""
        return group_codes(self.groups, len(self.y))

    def value(self, predicted: Int[np.ndarray, " n"]) -> float:
        """The score of all rows."""
        return float(self._score(self._tallies(predicted).sum(axis=0, keepdims=True))[0])

    def against_labels(
        self, predicted: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"]
    ) -> float:
        """The score of predictions against other labels of the same rows."""
        return replace(self, y=labels).value(predicted)

    def jackknife(self, predicted: Int[np.ndarray, " n"]) -> Jackknife:
        """The score with its values without each group."""
        tallies = self._tallies(predicted)
        total = tallies.sum(axis=0, keepdims=True)
        value, without = float(self._score(total)[0]), self._score(total - tallies)
        weights = tallies[:, 2].T
        weights = weights[weights.sum(axis=1) > 0]
        if self.metric == "accuracy":
            weights = weights.sum(axis=0, keepdims=True)
        return Jackknife(value, without, weights, len(self.y), "share")

    def evidence(
        self,
        name: str,
        predicted: Int[np.ndarray, " n"],
        null: Sequence[float] | np.ndarray = (),
        kind: str = "shuffled labels",
        against: Sequence[np.ndarray] = (),
        **more: object,
    ) -> Evidence:
        """The score with its interval and its null.

        Args:
            name: what is scored.
            predicted: predictions, from held-out rows.
            null: what chance gives: the score of the same procedure fitted to shuffled labels,
                against those labels (`against_labels`). Where something is subtracted here:
                differences that nothing should move, such as those under random vectors; not those
                on shuffled labels, which scatter otherwise.
            kind: what the null is.
            against: other predictions, whose score (or the mean of whose scores) is subtracted,
                paired over groups.
            more: further fields of `Evidence`.
        """
        found = self.jackknife(predicted)
        if len(against):
            others = [self.jackknife(a) for a in against]
            found = found - combine(mean_of, *others, kind="share")
        chance = np.asarray(null, dtype=np.float64)
        side = str(more.get("direction", "higher"))
        p = one_sided_p(found.value, chance, side) if len(chance) else None
        ends = intervals.interval(found, self.level)
        return Evidence(
            name,
            found.value,
            ends.ends,
            Null.of(kind, chance) if len(chance) else None,
            p,
            n=len(self.y),
            unit=self.metric,
            warnings=ends.warnings,
            **more,  # type: ignore[arg-type]
        )

    def _tallies(self, predicted: np.ndarray) -> Float[np.ndarray, "groups 3 k"]:
        if len(predicted) != len(self.y) or min(self.y.min(), predicted.min()) < 0:
            # an index below 0 would count as the last class
            raise ValueError(
                f"ClassScores: needs a class code from 0 on for each of the {len(self.y)} rows; give "
                "what is no class a code of its own"
            )
        k = int(max(self.y.max(), predicted.max())) + 1
        true, made = np.eye(k)[self.y], np.eye(k)[predicted]
        return intervals.sum_by_group(np.stack([true * made, made, true], axis=1), self.codes)

    def _score(self, tallies: Float[np.ndarray, "draws 3 k"]) -> Float[np.ndarray, " draws"]:
        hit, made, true = tallies[:, 0], tallies[:, 1], tallies[:, 2]
        if self.metric == "accuracy":
            return hit.sum(axis=1) / true.sum(axis=1)
        top, bottom = (2 * hit, made + true) if self.metric == "macro-F1" else (hit, true)
        there = true > 0  # a class that no row of a draw has is left out of its mean
        each = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
        return (each * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
