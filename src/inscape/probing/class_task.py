"""A classification asked of many representations: one label, one set of groups, folds and shuffles
for all of them.

Everything that is compared is fitted and scored on the same rows: representations, a bag of words,
an MLP, shuffled labels. Probes are multinomial logistic, their C and site chosen in the training
folds (`inscape.probing.sweep`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from inscape.charts.heatmap import cells
from inscape.core.nulls import permutations
from inscape.core.repeated import groups_by_content
from inscape.core.rng import child_seed
from inscape.core.threads import side_by_side
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.probing.class_scores import ClassScores
from inscape.probing.sweep import SweepResult, sweep
from inscape.read.logistic import LogisticProbe


@dataclass(frozen=True, eq=False)
class ClassTask:
    """One label of some examples.

    Attributes:
        examples: what is fed in.
        y: class codes, (n,).
        classes: their names.
        groups: group codes, (n,).
        orders: permutations of the labels, (shuffles, n).
        scores: how predictions are scored (macro-F1).
        folds: outer folds.
        Cs: inverse penalties that are chosen from.
        seed: of folds and nets.
    """

    examples: Examples
    y: Int[np.ndarray, " n"]
    classes: tuple[str, ...]
    groups: Int[np.ndarray, " n"]
    orders: Int[np.ndarray, "shuffles n"]
    scores: ClassScores
    folds: int
    Cs: tuple[float, ...]
    seed: int

    @classmethod
    def of(
        cls, examples: Examples, run: Any, *, folds: int, shuffles: int, Cs: Sequence[float]
    ) -> ClassTask:
        """The first label of the examples; without a group each row counts as its own, and the run
        (`Run`) warns of it.
        """
        y, classes = examples.classes(examples.labels[0])
        grouped = examples.group is not None
        if not grouped:
            run.warn(
                "The rows have no column 'group', so each counts as its own: rows that are alike "
                "may be on both sides."
            )
        groups = groups_by_content(
            examples.groups() if grouped else np.arange(len(examples)), examples.texts(), y
        )
        hot = np.eye(len(classes))[y]
        orders = permutations(len(y), shuffles, rng=run.rng("shuffles"), groups=groups, labels=hot)
        return cls(
            examples,
            y,
            classes,
            groups,
            orders,
            ClassScores(y, groups),
            folds,
            tuple(Cs),
            run.seed,
        )

    def sweep(
        self,
        source: Any,
        rows: np.ndarray | None = None,
        y: np.ndarray | None = None,
        shuffles: int = 0,
    ) -> SweepResult:
        """The probe at every site of a source, whole groups held out; folds are the same for every
        source.

        Args:
            source: as `inscape.probing.sweep.sweep` takes it.
            rows: the rows that the source has; all by default.
            y: other labels of those rows.
            shuffles: label shuffles of the null, which share the work of the observed labels.
        """
        rows = np.arange(len(self.y)) if rows is None else rows
        return sweep(
            source,
            self.y[rows] if y is None else y,
            groups=self.groups[rows],
            folds=self.folds,
            task="classification",
            shuffles=shuffles,
            repeats="keep",
            alphas=self.Cs,
            seed=self.seed,
        )

    def shuffled(
        self,
        source: Any,
        rows: np.ndarray | None = None,
        orders: Int[np.ndarray, "shuffles rows"] | None = None,
        advance: Callable[[], Any] | None = None,
    ) -> list[SweepResult]:
        """The same probe on shuffled labels, the site chosen anew for every shuffle.

        Args:
            source: as `inscape.probing.sweep.sweep` takes it.
            rows: the rows that the source has; all by default.
            orders: permutations of those rows; the task's by default.
            advance: told of every shuffle.
        """
        y, out = self.y if rows is None else self.y[rows], []
        for order in self.orders if orders is None else orders:
            out.append(self.sweep(source, rows, y[order]))
            if advance is not None:
                advance()
        return out

    def mlp(
        self, x: np.ndarray, fold_of_row: Int[np.ndarray, " n"], y: np.ndarray | None = None
    ) -> Int[np.ndarray, " n"]:
        """Held-out predictions of a small MLP on the same folds: what is there but not linearly.

        Args:
            x: representations, (n, d).
            fold_of_row: the fold each row is held out in.
            y: other labels, of a null.
        """
        labels = self.y if y is None else y
        out = np.empty(len(self.y), dtype=np.int64)

        def one(fold: int) -> None:
            held = fold_of_row == fold
            seed = child_seed(self.seed, "mlp", str(fold)) % 2**32
            net = MLPClassifier((64,), alpha=10.0, max_iter=200, random_state=seed)
            out[held] = (
                make_pipeline(StandardScaler(), net).fit(x[~held], labels[~held]).predict(x[held])
            )

        with (
            warnings.catch_warnings()
        ):  # 200 rounds are the rule, whether or not they were all needed
            warnings.simplefilter("ignore", ConvergenceWarning)
            side_by_side(one, range(int(fold_of_row.max()) + 1))
        return out

    def confusion(self, result: SweepResult) -> pd.DataFrame:
        """Which classes are read for each: ``row`` (true), ``column`` (read) and ``value``, a share
        of the rows of the true class.

        Args:
            result: a sweep of all rows.
        """
        read = pd.crosstab(self.y, predicted(result), normalize="index")
        names = [[self.classes[c] for c in axis] for axis in (read.index, read.columns)]
        return cells(read.to_numpy(), *names)

    def first(self, count: int) -> Int[np.ndarray, " rows"]:
        """The first so many rows, 0 for all, where rows of a group are neighbours cut between
        groups.
        """
        if not count or count >= len(self.y):
            return np.arange(len(self.y))
        inside = np.isin(self.groups, self.groups[count:]) & (np.arange(len(self.y)) < count)
        whole = np.flatnonzero(~inside & (np.arange(len(self.y)) < count))
        return whole if len(whole) else np.arange(count)


def predicted(result: SweepResult) -> Int[np.ndarray, " n"]:
    """Held-out class codes, each fold's from the site that its training rows choose."""
    found = result.selected_predictions[:, 0]
    # of two classes a sweep gives the log-odds of the second
    return (
        (found > 0).astype(np.int64)
        if len(np.unique(result.y[:, 0])) == 2
        else found.astype(np.int64)
    )


def chance_scores(
    scores: ClassScores, shuffled: Sequence[SweepResult], said: np.ndarray | None = None
) -> Float[np.ndarray, " shuffles"]:
    """Scores against shuffled labels.

    Args:
        scores: how predictions are scored.
        shuffled: sweeps of shuffled labels.
        said: predictions that no labels were shuffled for; those of the sweeps by default.
    """
    return np.array(
        [
            scores.against_labels(predicted(r) if said is None else said, r.y[:, 0].astype(int))
            for r in shuffled
        ]
    )


def chosen(result: SweepResult) -> str:
    """The site that the training folds like best on average: for showing."""
    return next(iter(result.best.values()))


def every(store: Any, stride: int) -> Callable[[], Any]:
    """Every so many of a store's layers, and the last, one at a time, for a `Store`."""
    layers = [s for s in store.sites if s.layer is not None]
    return lambda: store.matrices(
        [s for i, s in enumerate(layers) if i % stride == 0 or s == layers[-1]]
    )


def thinned_states(store: Any, stride: int) -> dict[str, np.ndarray]:
    """`every` as site → rows, for a `Store`."""
    return {str(site): x for site, x in every(store, stride)()}


def thinned(model: Model, stride: int) -> list[str]:
    """``resid_post`` of every so many of a model's layers, and of the last."""
    last = max(s.layer for s in model.sites if s.layer is not None)
    return [f"resid_post.{i}" for i in sorted({*range(0, last + 1, stride), last})]


def taken_along(
    first: SweepResult,
    x: Mapping[str, np.ndarray],
    there: Mapping[str, np.ndarray],
    y: Int[np.ndarray, " n"],
) -> Int[np.ndarray, " n"]:
    """Held-out predictions elsewhere of the probes of a sweep, each fold's at the site and penalty
    that it chose.

    Args:
        first: the sweep.
        x: site → the rows that it was fitted on.
        there: site → the same rows elsewhere: at another position, behind another prompt.
        y: class codes.
    """
    out = np.empty(len(y), dtype=np.int64)
    for fold in range(int(first.folds.max()) + 1):
        held, place = first.folds == fold, int(first.chosen[fold, 0])
        site, penalty = first.sites[place], float(first.penalties[place, fold, 0])
        probe = LogisticProbe((1 / penalty,), scale=False, tol=1e-4).fit(x[site][~held], y[~held])
        out[held] = probe.predict(there[site][held])
    return out


@dataclass(frozen=True, eq=False)
class TakenAcross:
    """Probes of one label taken from each of several conditions to the others.

    Attributes:
        names: of the conditions.
        accuracy: fitted under the row's condition, read under the column's, on held-out groups.
        sweeps: condition → the sweep fitted under it.
    """

    names: tuple[str, ...]
    accuracy: Float[np.ndarray, "k k"]
    sweeps: dict[str, SweepResult]


def taken_across(
    task: ClassTask, rows: Int[np.ndarray, " n"], read: Mapping[str, Mapping[str, np.ndarray]]
) -> TakenAcross:
    """Fit under every condition, read under all.

    Args:
        task: whose label is read.
        rows: its rows that were read.
        read: condition (a prompt around the texts) → site → states of those rows.
    """
    y, names = task.y[rows], tuple(read)
    scores = ClassScores(y, task.groups[rows], "accuracy")
    sweeps = {name: task.sweep(read[name], rows) for name in names}
    found = np.empty((len(names), len(names)))
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            moved = predicted(sweeps[one])
            if i != j:
                moved = taken_along(sweeps[one], read[one], read[other], y)
            found[i, j] = scores.value(moved)
    return TakenAcross(names, found, sweeps)
