"""Transfer: does what was learnt on one data set read another?

    A[i, j] = AUC on data set j of a probe fitted on data set i        i ≠ j: all rows of both
    A[i, i] = AUC of probes fitted without the group of the row        rows of one fold compared

A common axis would leave the matrix flat; a detector of each task's own leaves a diagonal. A probe is scored on the other
set as it is: its scores may be shifted there, which AUC does not see. AUC below one half is a probe that reads the other set
backwards, and is not turned round. Cost: one fit a fold and one more a data set.

Reference: Orgad et al. (2024), arXiv:2410.02707, §4 (the matrix); Marks and Tegmark (2023), arXiv:2310.06824.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import clone

from inscape.core import intervals
from inscape.core.folds import Fold, group_codes


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
        auc: fitted on the row's, scored on the column's.
        draws: the same in bootstrap draws of the groups of the data set that is scored.
    """

    names: tuple[str, ...]
    auc: Float[np.ndarray, "k k"]
    draws: Float[np.ndarray, "draws k k"]

    @property
    def gap(self) -> float:
        """Mean of the diagonal less the mean off it."""
        return float(_gap(self.auc[None])[0])

    @property
    def gap_draws(self) -> Float[np.ndarray, " draws"]:
        """The gap in every draw."""
        return _gap(self.draws)


def transfer(
    sets: Mapping[str, DataSet],
    probe: Any,
    *,
    rng: np.random.Generator,
    draws: int = 1000,
    **fit: Any,
) -> Transfer:
    """Fit on each data set, score on all.

    Args:
        sets: name → data set; at least two.
        probe: an unfitted classifier with ``decision_function``; it is cloned.
        rng: of the bootstrap.
        draws: of the bootstrap.
        fit: passed on to every ``fit``.

    Raises:
        ValueError: fewer than two data sets, or widths that differ.
    """
    names = tuple(sets)
    if len(names) < 2:
        raise ValueError(f"transfer: needs at least two data sets, got {len(names)}")
    widths = {s.x.shape[1] for s in sets.values()}
    if len(widths) > 1:
        raise ValueError(f"transfer: all data sets must have the same width, got {sorted(widths)}")
    k = len(names)
    counts, codes = {}, {}
    for name, one in sets.items():
        codes[name] = group_codes(one.groups, len(one.x))
        drawn = intervals.group_counts(int(codes[name].max()) + 1, draws, rng=rng)
        counts[name] = np.vstack([np.ones((1, drawn.shape[1]), dtype=np.int64), drawn])
    out = np.empty((draws + 1, k, k))
    for i, source in enumerate(sets.values()):
        fitted = clone(probe).fit(source.x, source.y, groups=source.groups, **fit)
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
            out[:, i, j] = intervals.bootstrap_auc(
                scores, target.y == 1, fold, codes[name], counts[name]
            )
    return Transfer(names, out[0], out[1:])


def _gap(auc: Float[np.ndarray, "b k k"]) -> Float[np.ndarray, " b"]:
    k = auc.shape[1]
    diagonal = np.trace(auc, axis1=1, axis2=2)
    return diagonal / k - (auc.sum(axis=(1, 2)) - diagonal) / (k * (k - 1))
