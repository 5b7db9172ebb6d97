"""Cross-condition generalisation: does a classifier of a dichotomy hold on conditions it never saw?

    CCGP = mean over (one condition left out of each side) of the accuracy on the two left out of a
           linear discriminant fitted to the others

A dichotomy splits conditions into two sets of one size, m. CCGP is near 1 where the variable is
coded along one direction whatever the rest is: 1 on a cube, m = 4, but 3/4 on a square, m = 2,
where half of the classifiers are fitted along a diagonal. Chance is ½ only where conditions are in
random positions: where the dichotomy is the exclusive-or of two coded variables it is below.

Cost: m² fits of d³.
Reference: Bernardi et al. (2020), The geometry of abstraction in hippocampus and prefrontal cortex,
Cell 183, "cross-condition generalization performance"; the discriminant in place of their support
vector machine.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from inscape.core.folds import group_codes
from inscape.core.item_rows import checked_rows
from inscape.shape.parallelism import dichotomy


def cross_condition(x: Any, conditions: Any, side: Any) -> float:
    """Cross-condition generalisation performance of a dichotomy.

    Args:
        x: (n, d).
        conditions: condition of each row.
        side: side of each condition, in the order in which conditions first appear.

    Returns:
        Accuracy between 0 and 1; the mean of both left-out conditions, whatever their sizes.

    Raises:
        ValueError: as `parallelism`.
    """
    rows = checked_rows(x, "cross_condition: x", least=8)
    codes = group_codes(np.asarray(conditions), len(rows))
    one, two = dichotomy(side, int(codes.max()) + 1, "cross_condition")
    found = []
    for left in product(one, two):
        sides = [[c for c in s if c not in left] for s in (one, two)]
        a, b = (rows[np.isin(codes, s)] for s in sides)
        within = np.concatenate([a - a.mean(axis=0), b - b.mean(axis=0)])
        spread = within.T @ within / len(within)
        ridge = 1e-3 * np.trace(spread) / len(spread) + np.finfo(float).tiny
        w = np.linalg.solve(spread + ridge * np.eye(len(spread)), b.mean(axis=0) - a.mean(axis=0))
        middle = w @ (a.mean(axis=0) + b.mean(axis=0)) / 2
        right = [
            ((rows[codes == c] @ w > middle) == truth).mean()
            for c, truth in zip(left, (False, True), strict=True)
        ]
        found.append(np.mean(right))
    return float(np.mean(found))
