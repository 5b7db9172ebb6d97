"""The mean of a number over each class of items, each with an interval over the groups of its own
items.

    mean_c = Σ_{i: c_i = c} v_i / |{i: c_i = c}|

For profiles: how far right and wrong answers move, how each relation does. Classes of other items
are not paired; for a difference of conditions on the same items use
`inscape.core.measured.Measured`.

Reference: `inscape.core.intervals`, for the interval over groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from inscape.core.evidence import Evidence
from inscape.core.folds import group_codes
from inscape.core.item_rows import row_mask
from inscape.core.measured import Measured
from inscape.core.nulls import permutations


def class_means(
    name: str,
    values: Float[np.ndarray, " n"],
    classes: Sequence[Any] | np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    by: str = "class",
    order: Sequence[Any] = (),
    **more: Any,
) -> list[Evidence]:
    """The means as evidence, one for each class that has an item.

    Args:
        name: what is averaged.
        values: of the items, in the unit given by `more`.
        classes: class of each item.
        groups: group of each item.
        by: the coordinate that names the class.
        order: the classes that are wanted, in order; all, in order of appearance, where none is
            given.
        more: further fields of `Evidence`, such as ``unit`` and ``where``.

    Example:
        >>> found = class_means("length", np.array([1.0, 3.0, 5.0]), ["a", "a", "b"], range(3))
        >>> [(e.where["class"], e.value) for e in found]
        [('a', 2.0), ('b', 5.0)]
    """
    of, codes = np.asarray(classes), np.asarray(groups)
    where, found = more.pop("where", {}), []
    for c in order or pd.unique(of):
        inside = of == c
        if inside.any():
            m = Measured(name, groups=codes[inside])
            m.put(str(c), values[inside])
            found.append(m.value(str(c), where={by: str(c), **where}, **more))
    return found


def class_ratio(
    name: str,
    values: Float[np.ndarray, " n"],
    first: Shaped[np.ndarray, " n"],
    groups: Sequence[Any] | np.ndarray,
    *,
    kind: str,
    draws: int,
    rng: np.random.Generator,
    unit: str = "times",
) -> Evidence:
    """The mean of one class of items over that of the others, against classes shuffled by group.

    Args:
        name: of the ratio.
        values: of the items, positive in the mean.
        first: which items are of the class on top.
        groups: group of each item.
        kind: name of the null.
        draws: shuffles.
        rng: of the shuffles.
        unit: of the ratio.

    Raises:
        ValueError: `first` that does not say True or False of each item, or one of all.

    Example:
        >>> x, top = np.repeat([4.0, 2.0], 6), np.arange(12) < 6
        >>> rng = np.random.default_rng(0)
        >>> e = class_ratio("x", x, top, range(12), kind="shuffled", draws=99, rng=rng)
        >>> e.value, e.p
        (2.0, 0.01)
    """
    first = row_mask(first, len(values), "class_ratio: first")
    if first.all() or not first.any():
        raise ValueError("class_ratio: all items are of one class, and a ratio is of two")
    codes = np.asarray(groups)
    orders = permutations(len(values), draws, rng=rng, groups=group_codes(codes), labels=first)
    m = Measured(name, groups=codes, kind="ratio")
    for condition, labels in (("classes", first[None]), (kind, first[orders])):
        share = labels.mean(axis=1, keepdims=True)
        means = values * labels / share, values * ~labels / (1 - share)
        m.put(condition, *means, role="null" if condition == kind else "treatment")
    return m.value("classes", null=kind, unit=unit)
