"""Erasers side by side on one question: what fresh probes still read, what else is lost, how far
rows were moved.

In each fold of whole groups an eraser is fitted on the training rows, training and held-out rows
are erased, and fresh probes are fitted on the erased training rows and scored on the erased
held-out ones. A second linear probe never sees a row that the eraser was fitted on: it learns from
one half of the held-out groups and is scored on the other. Rows are standardised and expressed in
their leading principal components first, all by training rows, so that every eraser and every probe
is given the same thing.

Change is ‖X − r(X)‖² / ‖X − μ‖² over held-out rows; overlap is the share of a row's ten nearest
held-out neighbours that it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inscape.core.folds import group_codes, group_folds
from inscape.core.nulls import permutations
from inscape.core.rng import child_seed, generator
from inscape.core.threads import side_by_side
from inscape.read.logistic import LogisticProbe

#: training rows, their concept and a seed → named maps of rows
Erasers = Callable[[np.ndarray, np.ndarray, int], Mapping[str, Callable[[np.ndarray], np.ndarray]]]
CS = (0.001, 0.01, 0.1, 1.0)
NEIGHBOURS = 10


@dataclass(frozen=True, eq=False)
class Question:
    """A concept to erase from a representation, and what must survive.

    Attributes:
        name: shown in tables.
        x: rows (n, d).
        y: the concept's labels (n,).
        task: labels of an unrelated task (n,).
        groups: what must not straddle training and test (n,).
        second: for the unrelated task, a second grouping that must not straddle either; None for
            none.
        skew: training rows for a further probe of that task, which learns where the task goes with
            the concept; or None.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    task: np.ndarray
    groups: np.ndarray
    second: np.ndarray | None = None
    skew: np.ndarray | None = None

    @property
    def majority(self) -> float:
        """Share of the most frequent label."""
        return float(np.unique(self.y, return_counts=True)[1].max() / len(self.y))


@dataclass(frozen=True, eq=False)
class Erased:
    """What came of one eraser: one entry a row, held out; NaN where nothing was measured.

    Attributes:
        linear: whether a fresh logistic probe was right.
        unseen: the same for one that saw only rows unknown to the eraser.
        mlp: the same for a perceptron with one hidden layer.
        task: whether a fresh logistic probe of the unrelated task was right.
        leaning: the same, trained where the task goes with the concept.
        moved: squared length of the change; ``size`` of the row before, centred.
        overlap: share of nearest neighbours kept.
    """

    linear: np.ndarray
    unseen: np.ndarray
    mlp: np.ndarray
    task: np.ndarray
    leaning: np.ndarray
    moved: np.ndarray
    size: np.ndarray
    overlap: np.ndarray

    @classmethod
    def empty(cls, n: int) -> Erased:
        """Nothing measured yet."""
        return cls(*(np.full(n, np.nan) for _ in range(8)))


@dataclass(frozen=True)
class Plan:
    """How erasers are compared.

    Attributes:
        folds: folds of whole groups.
        width: principal components kept.
        whole: names of the erasers of which everything is measured; of others the linear probe
            alone.
        seed: of folds, erasers and probes.
        shuffles: of the labels by group, for the null.
    """

    folds: int = 3
    width: int = 128
    whole: tuple[str, ...] = ()
    seed: int = 0
    shuffles: int = 1


@dataclass(frozen=True, eq=False)
class Outcome:
    """All erasers on one question.

    Attributes:
        question: what was asked.
        erased: by the eraser's name; the first is whatever the caller put first.
        shuffled: right answers of probes fitted on shuffled labels of untouched rows, one array a
            shuffle.
        kept: share of the variance in the principal components, by fold.
    """

    question: Question
    erased: dict[str, Erased]
    shuffled: list[np.ndarray]
    kept: list[float]


def compare(
    question: Question, erasers: Erasers, plan: Plan, progress: Callable[[], None] = lambda: None
) -> Outcome:
    """Every eraser in every fold, folds side by side.

    Args:
        question: what to erase and what must survive.
        erasers: fits all of them.
        plan: folds and sizes.
        progress: called after each fold.
    """
    folds = group_folds(question.groups, plan.folds, rng=generator(plan.seed, "erasures", "folds"))
    codes = None if question.second is None else group_codes(question.second)
    parts = None
    if codes is not None:
        rng = generator(plan.seed, "erasures", "second")
        parts = np.empty(len(codes), dtype=np.int64)
        for f, (_, held) in enumerate(group_folds(codes, plan.folds, rng=rng)):
            parts[held] = f
    erased: dict[str, Erased] = {}
    shuffled = [np.full(len(question.y), np.nan) for _ in range(plan.shuffles)]
    rng = generator(plan.seed, "erasures", "shuffles")
    y, groups = question.y, question.groups
    orders = permutations(len(y), plan.shuffles, rng=rng, groups=groups, labels=y)

    def fold(number: int) -> float:
        train, test = folds[number]
        before, kept = _coordinates(question.x, train, plan.width)
        seed = child_seed(plan.seed, "erasures", str(number)) % 2**32
        for name, move in erasers(before[train], y[train], seed).items():
            to = erased.setdefault(name, Erased.empty(len(y)))
            _measure(question, to, before, move(before), train, test, seed, name in plan.whole)
            if name in plan.whole:
                _task(
                    question,
                    to,
                    move(before),
                    train,
                    test,
                    None if parts is None else parts != number,
                )
        for k, right in enumerate(shuffled):
            mixed = y[orders[k]]
            right[test] = (
                _linear(before[train], mixed[train], question.groups[train]).predict(before[test])
                == mixed[test]
            )
        progress()
        return kept

    kept = side_by_side(fold, range(len(folds)))
    return Outcome(question, erased, shuffled, kept)


def _coordinates(x: np.ndarray, train: np.ndarray, width: int) -> tuple[np.ndarray, float]:
    """Standardised rows in the leading principal components of the training rows, and the share of
    variance in them.
    """
    scale = StandardScaler().fit(x[train])
    rows = scale.transform(x)
    found = PCA(min(width, x.shape[1], len(train) - 1), svd_solver="full").fit(rows[train])
    return found.transform(rows), float(found.explained_variance_ratio_.sum())


def _linear(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Any:
    return LogisticProbe(CS, folds=3, tol=1e-4).fit(x, y, groups)


def _measure(
    question: Question,
    to: Erased,
    before: np.ndarray,
    after: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    whole: bool,
) -> None:
    y, groups = question.y, question.groups
    to.linear[test] = _linear(after[train], y[train], groups[train]).predict(after[test]) == y[test]
    if not whole:
        return
    for learn, score in group_folds(groups[test], 2, rng=generator(seed, "halves")):
        rows, asked = test[learn], test[score]
        to.unseen[asked] = (
            _linear(after[rows], y[rows], groups[rows]).predict(after[asked]) == y[asked]
        )
    net = MLPClassifier(
        (64,), alpha=1.0, early_stopping=True, n_iter_no_change=20, max_iter=400, random_state=seed
    )
    to.mlp[test] = (
        make_pipeline(StandardScaler(), net).fit(after[train], y[train]).predict(after[test])
        == y[test]
    )
    to.moved[test] = ((after[test] - before[test]) ** 2).sum(axis=1)
    to.size[test] = ((before[test] - before[train].mean(axis=0)) ** 2).sum(axis=1)
    near = [_neighbours(rows) for rows in (before[test], after[test])]
    to.overlap[test] = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(*near, strict=True)]


def _neighbours(x: Float[np.ndarray, "n d"]) -> np.ndarray:
    k = min(NEIGHBOURS, len(x) - 1)
    return NearestNeighbors(n_neighbors=k).fit(x).kneighbors(return_distance=False)


def _task(
    question: Question,
    to: Erased,
    after: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    other: np.ndarray | None,
) -> None:
    """The unrelated task, on rows of which neither grouping straddles."""
    if other is not None:
        train, test = train[other[train]], test[~other[test]]
    told, groups = question.task, question.groups
    to.task[test] = (
        _linear(after[train], told[train], groups[train]).predict(after[test]) == told[test]
    )
    if question.skew is not None:
        rows = train[question.skew[train]]
        to.leaning[test] = (
            _linear(after[rows], told[rows], groups[rows]).predict(after[test]) == told[test]
        )
