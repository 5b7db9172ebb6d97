"""Evidence about erasers: what fresh probes read above the majority, what is lost beside, and who
is served unequally.

    above     mean(right) − share of the most frequent label        null: probes of shuffled labels
    lost      mean(right before) − mean(right after)                 of an unrelated task gap
    √ mean_c (TPR_c,1 − TPR_c,0)²                          c the classes of that task, 0 and 1 the
    concept

The gap is that of a classifier whose training rows of each class are mostly of one value of the
concept.

Cost: sums over rows. Reference: Ravfogel et al. (2022), arXiv:2201.12091; De-Arteaga et al. (2019),
arXiv:1901.09451, for the gap.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inscape.core.evidence import Beside, Evidence
from inscape.core.folds import group_codes
from inscape.core.jackknife import Jackknife
from inscape.core.measured import Measured
from inscape.probing.erasures import Outcome

SHUFFLED = "labels shuffled by group"
#: probes by the name of what they give in `inscape.probing.erasures.Erased`
PROBES = {"linear": "logistic", "unseen": "logistic, unseen rows", "mlp": "perceptron"}


class ErasedEvidence:
    """Numbers with intervals and nulls off one question's outcome.

    Args:
        outcome: of `inscape.probing.erasures.compare`; draws of one eraser are named ``NAME``,
            ``NAME (2)``, ``NAME (3)``, …
        nothing: the name of the eraser that erases nothing.
        first: that of the eraser in question.
        chance: that of the random one beside it.

    Attributes:
        question: what was erased.
        unequal: the gap in true-positive rates of every eraser; None where no row is skewed.
    """

    def __init__(self, outcome: Outcome, nothing: str, first: str, chance: str) -> None:
        self.outcome, self.question = outcome, outcome.question
        self.nothing, self.first, self.chance = nothing, first, chance
        majority, groups = self.question.majority, self.question.groups
        self._above = {
            probe: Measured(f"accuracy above majority, {name}", groups=groups, unit="accuracy")
            for probe, name in PROBES.items()
        }
        for name in dict.fromkeys(n.partition(" (")[0] for n in outcome.erased):
            for probe, m in self._above.items():
                right = self._right(name, probe)
                if len(right):
                    m.put(name, right - majority, role="baseline")
        shuffled = np.array(outcome.shuffled) - majority
        self._above["linear"].put(SHUFFLED, shuffled, role="null")
        self.unequal = None if self.question.skew is None else self._unequal()

    def above(self, eraser: str, probe: str = "linear") -> Evidence:
        """Accuracy above the majority's share; with the null of shuffled labels for a linear
        probe."""
        null = SHUFFLED if probe == "linear" else ""
        return self._above[probe].value(eraser, null=null, where=self._at(eraser))

    def kept(self) -> Evidence:
        """Accuracy after random projections of the first rank as a share of that before."""
        m = Measured("accuracy", groups=self.question.groups, unit="share")
        for name in (self.nothing, self.first, self.chance):
            m.put(name, self._right(name, "linear"))

        def share(after: np.ndarray, before: np.ndarray) -> np.ndarray:
            return after / before

        name = "accuracy kept"
        erased = m.combined(name, share, self.first, self.nothing)
        beside = (Beside("baseline", self.first, float(erased.value)),)
        where = self._at(self.chance)
        return m.combined(name, share, self.chance, self.nothing, where=where, beside=beside)

    def lost(self) -> Evidence:
        """Accuracy of the unrelated task that is lost with R-LACE's first direction."""
        task = {n: self.outcome.erased[n].task for n in (self.nothing, self.first, self.chance)}
        rows = ~np.isnan(task[self.nothing])
        m = Measured("unrelated accuracy", groups=self.question.groups[rows], unit="accuracy")
        for name, right in task.items():
            m.put(name, right[rows])
        random = m.fall(self.chance, below=self.nothing)
        beside = (Beside("baseline", "random projection of rank 1", float(random.value)),)
        where = self._at(self.first)
        return m.fall(self.first, below=self.nothing, where=where, beside=beside)

    def needed(self, erasers: Mapping[int, str], slack: float) -> dict[str, int]:
        """Dimensions until a fresh linear probe is within a slack of the majority, and how sure
        they are.

        Args:
            erasers: dimensions, rising → the eraser that takes so many.
            slack: accuracy above the majority's share that counts as erased.

        Returns:
            ``value`` and, for the interval of the accuracy, ``fewest`` (it begins to reach the
            slack) and ``most`` (it lies below); one more than was tried where at none.
        """
        found = [self.above(name) for name in erasers.values()]
        at = {"value": [e.value for e in found]}
        at |= {end: [e.ends[k] for e in found] for k, end in enumerate(("fewest", "most"))}
        none = max(erasers) + 1
        return {
            name: next((k for k, x in zip(erasers, line, strict=True) if x <= slack), none)
            for name, line in at.items()
        }

    def _right(self, eraser: str, probe: str) -> np.ndarray:
        """Right answers in every draw of an eraser in which they were asked for, (draws, n)."""
        draws = [e for n, e in self.outcome.erased.items() if n.partition(" (")[0] == eraser]
        right = np.array([getattr(e, probe) for e in draws])
        return right[~np.isnan(right).any(axis=1)]

    def _unequal(self) -> Measured:
        """Root mean square over the task's classes of the difference in true-positive rates between
        the concept's values."""
        q, codes = self.question, group_codes(self.question.groups)
        m = Measured("TPR gap", groups=codes, direction="lower", unit="share")
        cells = 2 * group_codes(q.task) + q.y.astype(np.int64)
        for name, erased in self.outcome.erased.items():
            rows = np.flatnonzero(~np.isnan(erased.leaning))
            if not len(rows):
                continue
            won, every = (np.zeros((int(codes.max()) + 1, int(cells.max()) + 1)) for _ in range(2))
            np.add.at(won, (codes[rows], cells[rows]), erased.leaning[rows])
            np.add.at(every, (codes[rows], cells[rows]), 1.0)
            m.put_statistic(name, _gap(won, every), role="baseline")
        return m

    def _at(self, eraser: str) -> dict[str, str | int | float]:
        return {"concept": self.question.name, "eraser": eraser}


def _gap(won: np.ndarray, every: np.ndarray) -> Jackknife:
    """The gap in true-positive rates from right answers and rows of each group, (groups, 2
    classes)."""

    def of(right: np.ndarray, rows: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            rate = right / rows
        apart = rate[..., 0::2] - rate[..., 1::2]
        return np.asarray(np.sqrt(np.nanmean(apart**2, axis=-1)))

    value = float(of(won.sum(axis=0), every.sum(axis=0)))
    without = of(won.sum(axis=0) - won, every.sum(axis=0) - every)
    sizes = every.sum(axis=1)
    return Jackknife(value, without, sizes[None], int(sizes.sum()), "positive")
