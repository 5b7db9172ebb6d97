"""Control tasks: labels that only memory can give, with the same inputs and the same class
frequencies.

Every type (word, entity, document) is given a random class once and keeps it wherever it occurs. A
probe that scores here has learnt the types by heart; selectivity, the score on the real task less
the score on the control, is what a representation holds beyond that. Where types are what is held
out, the control is at chance and selectivity says nothing.

Reference: Hewitt and Liang (2019), Designing and interpreting probes with control tasks,
arXiv:1909.03368, §2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from inscape.core.folds import group_codes


def control_labels(
    types: Sequence[object] | np.ndarray,
    labels: Int[np.ndarray, " n"],
    draws: int,
    *,
    rng: np.random.Generator,
) -> Int[np.ndarray, "n draws"]:
    """Random labels by type, in the frequencies of the real ones.

    Args:
        types: the type of each row, any hashable values.
        labels: class codes of the real task.
        draws: how many control tasks.
        rng: draws the classes.

    Returns:
        Class codes, one column for each control task; rows of one type share theirs.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = control_labels(["a", "b", "a"], np.array([0, 1, 0]), 5, rng=rng)
        >>> bool((found[0] == found[2]).all()), found.shape
        (True, (3, 5))
    """
    codes = group_codes(types, len(labels))
    share = np.bincount(labels) / len(labels)
    drawn = rng.choice(len(share), size=(int(codes.max()) + 1, draws), p=share)
    return drawn[codes]
