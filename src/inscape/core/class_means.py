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
from jaxtyping import Float

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured


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
