"""Linear predictivity: how much of one representation does a linear map predict from the other, on
held-out items?

    R² of a neuron j = 1 − Σ (y_j − ŷ_j)² / Σ (y_j − ȳ_j(train))²           ŷ: ridge on the training rows

The penalty is chosen for each neuron inside the training rows (leave-one-out, or leave-group-out).
It is not symmetric: what y holds beyond x lowers it, what x holds beyond y does not; give both
ways. Folds keep groups whole. Unrelated sides give a little below 0.

Cost: one eigenbasis of x a fold, min(n, d)³, for all neurons and penalties.
Reference: Yamins et al. (2014), PNAS 111; Conwell et al. (2024), Nature Communications 15; decision
0006 for this R².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.compare.paired_rows import paired_rows
from inscape.core import ridge
from inscape.core.folds import Fold, group_codes, group_folds, random_folds
from inscape.core.intervals import statistic
from inscape.core.jackknife import Jackknife


@dataclass(frozen=True, eq=False)
class Predictivity:
    """What one side predicts of the other.

    Attributes:
        by_neuron: held-out R² of each neuron of y, (e,).
        overall: R² over all neurons together, with its value without each item or group.
    """

    by_neuron: Float64[np.ndarray, " e"]
    overall: Jackknife

    @property
    def value(self) -> float:
        """R² over all neurons together: neurons count by their variance."""
        return self.overall.value


def predictivity(
    x: Any,
    y: Any,
    *,
    folds: int = 5,
    groups: Sequence[Any] | np.ndarray | None = None,
    alphas: Sequence[float] = ridge.ALPHAS,
    rng: np.random.Generator,
) -> Predictivity:
    """How well a ridge map from `x` predicts `y` on held-out items.

    Args:
        x: (n, d).
        y: (n, e).
        folds: outer folds.
        groups: one group per item, never on both sides of a fold.
        alphas: grid of penalties.
        rng: of the folds.

    Raises:
        ValueError: other items, or a side `y` that does not vary.
        DataError: too few items or groups for the folds.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 4))
        >>> bool(predictivity(x, x @ np.ones((4, 2)), rng=np.random.default_rng(0)).value > 0.99)
        True
    """
    a, b = paired_rows(x, y, "predictivity", least=4)
    codes = None if groups is None else group_codes(groups, len(a))
    parts = (
        random_folds(len(a), folds, rng=rng)
        if codes is None
        else group_folds(codes, folds, rng=rng)
    )
    lost, base = np.zeros_like(b), np.zeros_like(b)
    for train, test in parts:
        basis = ridge.Rows(a[train]).basis()
        inner = None if codes is None else _inner((train, test), codes, folds, rng)
        fitted = ridge.fit(basis, b[train], alphas, inner=inner)
        lost[test] = (b[test] - fitted.predict(basis.project(a[test]))) ** 2
        base[test] = (b[test] - b[train].mean(axis=0)) ** 2
    whole = base.sum(axis=0)
    if not whole.sum() > 0:
        raise ValueError("predictivity: y does not vary, so there is nothing to predict")
    each = 1 - np.divide(lost.sum(axis=0), whole, out=np.ones(len(whole)), where=whole > 0)
    overall = statistic(
        (lost.sum(axis=1), base.sum(axis=1)), np.arange(len(a)) if codes is None else codes, "r2"
    )
    return Predictivity(each, overall)


def _inner(
    fold: Fold, codes: np.ndarray, folds: int, rng: np.random.Generator
) -> list[np.ndarray] | None:
    """Held-out rows of inner folds by group; leave-one-out where the training rows have too few
    groups.
    """
    inside = codes[fold[0]]
    count = min(folds, len(np.unique(inside)))
    return None if count < 2 else [test for _, test in group_folds(inside, count, rng=rng)]
