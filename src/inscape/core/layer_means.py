"""The mean over items at every layer, each with an interval over groups of items.

    mean_l = Σ_i v_li / n

The rows of one array stand on the same items, so that a figure by layer is one call
(`inscape.study.run.Run.layers`).

Reference: `inscape.core.intervals`, for the interval over groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from inscape.core.evidence import Evidence
from inscape.core.measured import Measured


def layer_means(
    name: str,
    values: Float[np.ndarray, "layers n"],
    groups: Sequence[Any] | np.ndarray,
    *,
    first: int = 0,
    **more: Any,
) -> list[Evidence]:
    """The means as evidence, with ``layer`` as a coordinate.

    Args:
        name: what is averaged.
        values: of every item at every layer, in the unit given by `more`.
        groups: group of each item.
        first: number of the first layer; −1 where it is the embedding.
        more: further fields of `Evidence`, such as ``unit`` and ``where``.

    Example:
        >>> found = layer_means("norm", np.array([[1.0, 3.0], [5.0, 5.0]]), [0, 1], first=-1)
        >>> [(e.where["layer"], e.value) for e in found]
        [(-1, 2.0), (0, 5.0)]
    """
    where, m = more.pop("where", {}), Measured(name, groups=groups)
    for i, row in enumerate(values):
        m.put(str(i), row)
    return [
        m.value(str(i), where={**where, "layer": first + i}, **more) for i in range(len(values))
    ]
