"""Transfer: does what was learnt on one data set read another?

    A[i, j] = AUC on data set j of a probe fitted on data set i        i ≠ j: all rows of both
    A[i, i] = AUC of probes fitted without the group of the row        rows of one fold compared

A common axis would leave the matrix flat; a detector of each task's own leaves a diagonal. A probe
is scored on the other set as it is: its scores may be shifted there, which AUC does not see. AUC
below one half is a probe that reads the other set backwards, and is not turned round. Cost: one fit
a fold and one more a data set.

Reference: Orgad et al. (2024), arXiv:2410.02707, §4 (the matrix); Marks and Tegmark (2023),
arXiv:2310.06824.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.base import clone

from inscape.core.folds import Fold, group_codes
from inscape.core.formulas import mean_of
from inscape.core.intervals import interval
from inscape.core.jackknife import Jackknife, combine, over_groups
from inscape.core.measured import Measured


@dataclass(frozen=True)
class DataSet:
    """One data set of a transfer matrix.

    Attributes:
        x: representations.
        y: labels 0 and 1.
        groups: group of each row.
        folds: for the diagonal: rows to fit on and rows held out, whole groups.
    """

    x: Float[np.ndarray, "n d"]
    y: np.ndarray
    groups: np.ndarray
    folds: list[Fold]


@dataclass(frozen=True)
class Transfer:
    """A transfer matrix.

    Attributes:
        names: the data sets.
        areas: fitted on the row's, scored on the column's, jackknifed over the groups of the
            latter.
    """

    names: tuple[str, ...]
    areas: tuple[tuple[Jackknife, ...], ...]

    @property
    def auc(self) -> Float[np.ndarray, "k k"]:
        """The matrix."""
        return np.array([[area.value for area in line] for line in self.areas])

    def table(self) -> pd.DataFrame:
        """One line a cell: ``row`` (fitted on), ``column`` (scored on), ``value``, ``low``,
        ``high``.
        """
        rows = []
        for a, line in zip(self.names, self.areas, strict=True):
            for b, area in zip(self.names, line, strict=True):
                low, high = interval(area).ends or (None, None)
                rows.append({"row": a, "column": b, "value": area.value, "low": low, "high": high})
        return pd.DataFrame(rows)

    @property
    def means(self) -> tuple[Jackknife, Jackknife]:
        """The mean of the diagonal and that off it, over the groups of all data sets, which share
        none.
        """
        k = len(self.names)
        sizes = [len(area.without) for area in self.areas[0]]
        first = np.cumsum([0, *sizes])
        whole = [
            [over_groups(a, np.arange(first[j], first[j + 1]), sum(sizes)) for j, a in enumerate(x)]
            for x in self.areas
        ]
        diagonal = [whole[i][i] for i in range(k)]
        rest = [whole[i][j] for i in range(k) for j in range(k) if i != j]
        own, other = (combine(mean_of, *parts, kind="area") for parts in (diagonal, rest))
        return own, other

    def measured(self, own: str = "own task", other: str = "another task") -> Measured:
        """`means` as two conditions of one measurement, of which the second is the reference.

        Args:
            own: name of the mean of the diagonal.
            other: name of that off it.
        """
        m = Measured("AUC", unit="AUC")
        m.put_statistic(own, self.means[0])
        m.put_statistic(other, self.means[1], role="reference")
        return m


def transfer(
    sets: Mapping[str, DataSet],
    probe: Any,
    **fit: Any,
) -> Transfer:
    """Fit on each data set, score on all.

    Args:
        sets: name → data set; at least two.
        probe: an unfitted classifier with ``decision_function``; it is cloned.
        fit: passed on to every ``fit``.

    Raises:
        ValueError: fewer than two data sets, widths that differ, labels other than 0 and 1, or folds
            that do not hold out every row once.
    """
    names = tuple(sets)
    if len(names) < 2:
        raise ValueError(f"transfer: needs at least two data sets, got {len(names)}")
    widths = {s.x.shape[1] for s in sets.values()}
    if len(widths) > 1:
        raise ValueError(f"transfer: all data sets must have the same width, got {sorted(widths)}")
    for name, one in sets.items():
        held = np.concatenate([test for _, test in one.folds] or [np.empty(0, dtype=np.int64)])
        if len(one.y) != len(one.x) or not np.isin(one.y, (0, 1)).all():
            raise ValueError(f"transfer: {name} needs a label of 0 or 1 for each of its rows")
        if not np.array_equal(np.sort(held), np.arange(len(one.x))):
            raise ValueError(
                f"transfer: the folds of {name} must hold out each of its {len(one.x)} rows once"
            )
    codes = {name: group_codes(one.groups, len(one.x)) for name, one in sets.items()}
    areas = []
    for i, source in enumerate(sets.values()):
        fitted = clone(probe).fit(source.x, source.y, groups=source.groups, **fit)
        line = []
        for j, (name, target) in enumerate(sets.items()):
            scores, fold = np.empty(len(target.x)), np.zeros(len(target.x), dtype=np.int64)
            if i == j:
                for f, (train, test) in enumerate(source.folds):
                    inside = clone(probe).fit(
                        source.x[train], source.y[train], groups=source.groups[train], **fit
                    )
                    scores[test], fold[test] = inside.decision_function(source.x[test]), f
            else:
                scores = np.asarray(fitted.decision_function(target.x), dtype=np.float64)
            line.append(Jackknife.auc(scores, target.y == 1, codes[name], fold))
        areas.append(tuple(line))
    return Transfer(names, tuple(areas))
