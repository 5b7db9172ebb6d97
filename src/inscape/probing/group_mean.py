"""What knowing the group alone gives: the score of a probe that names the group of a row and no
more.

Cost: sums over the rows of a sweep.
"""

from __future__ import annotations

import numpy as np

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured
from inscape.probing.sweep_result import SweepResult


def group_mean(result: SweepResult) -> list[Evidence]:
    """What knowing the group gives: the mean of its other rows in training, or of all of them where
    it has none.

    A probe that scores no higher may only have named the group. One piece of evidence per target.
    """
    y, codes = result.y, result.groups
    predicted = np.empty_like(y)
    for fold in np.unique(result.folds):
        train = result.folds != fold
        sums, counts = (
            np.zeros((codes.max() + 1, y.shape[1])),
            np.bincount(codes[train], minlength=codes.max() + 1),
        )
        np.add.at(sums, codes[train], y[train])
        seen = counts[codes[~train]] > 0
        known = sums[codes[~train]] / np.maximum(counts[codes[~train]], 1)[:, None]
        predicted[~train] = np.where(seen[:, None], known, y[train].mean(axis=0))
    found = []
    for j, target in enumerate(result.targets):
        m = Measured(f"R² of {target}", groups=codes, unit="R²", kind="r2", level=result.level)
        m.put("group mean", (y[:, j] - predicted[:, j]) ** 2, result.row_base[:, j], role="ceiling")
        where = {"site": "group mean", "split": result.split, "target": target}
        found.append(m.value("group mean", where=where))
    return found
