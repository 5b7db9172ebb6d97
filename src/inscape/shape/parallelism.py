"""Parallelism: is a dichotomy of conditions coded along one direction whatever the rest is?

    parallelism = max over pairings of the two sides of  mean_{i<j} cos(v_i, v_j)
    v_i: from a condition's mean on one side to that of its partner on the other

A dichotomy splits conditions into two sets of one size, m. It is 1 where all differences are
parallel, about 0 for conditions in random positions of many dimensions, and −1 for the
exclusive-or on a square.

Cost: m! pairings, so at most 6 conditions a side.
Reference: Bernardi et al. (2020), The geometry of abstraction in hippocampus and prefrontal cortex,
Cell 183, "parallelism score".
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np

from inscape.core.folds import group_codes
from inscape.core.item_rows import checked_rows

#: conditions a side, beyond which the pairings are too many
MOST = 6


def parallelism(means: Any, side: Any) -> float:
    """Parallelism score of a dichotomy.

    Args:
        means: mean of each condition, (2m, d), two to six conditions a side.
        side: side of each condition, two values.

    Raises:
        ValueError: sides of unequal size, of fewer than two or more than six conditions, or two
            paired conditions with the same mean.

    Example:
        >>> square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> round(parallelism(square, [0, 0, 1, 1]), 12), round(parallelism(square, [0, 1, 1, 0]), 12)
        (1.0, -1.0)
    """
    rows = checked_rows(means, "parallelism: means", least=4)
    one, two = dichotomy(side, len(rows), "parallelism")
    best = -np.inf
    for order in permutations(two):
        v = rows[list(order)] - rows[one]
        size = np.linalg.norm(v, axis=1, keepdims=True)
        if not (size > 0).all():
            raise ValueError("parallelism: two paired conditions have the same mean")
        unit = v / size
        cosines = (unit @ unit.T)[np.triu_indices(len(unit), 1)]
        best = max(best, float(cosines.mean()))
    return best


def dichotomy(side: Any, n: int, name: str) -> tuple[list[int], list[int]]:
    """The conditions of either side.

    Args:
        side: side of each condition, two values.
        n: conditions.
        name: of the caller, for the message.

    Raises:
        ValueError: sides of unequal size, or of fewer than two or more than six conditions.
    """
    codes = group_codes(np.asarray(side), n)
    one, two = (np.flatnonzero(codes == c).tolist() for c in (0, 1))
    if len(one) != len(two) or not 2 <= len(one) <= MOST or codes.max() != 1:
        raise ValueError(
            f"{name}: a dichotomy has two sides of equal size, two to {MOST} conditions each, got "
            f"{np.bincount(codes).tolist()}"
        )
    return one, two
