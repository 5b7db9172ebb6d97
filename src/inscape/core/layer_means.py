"""The mean over items at every layer, each with an interval over groups of items.

    mean_l = Σ_i v_li / n

The rows of one array stand on the same items, so that a figure by layer is one call
(`inscape.study.run.Run.layers`).

Reference: `inscape.core.intervals`, for the interval over groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def layer_profiles(
    name: str,
    series: Mapping[str, tuple[Float[np.ndarray, "layers n"], Sequence[Any] | np.ndarray]],
    *,
    unit: str = "",
    first: int = 0,
) -> list[Evidence]:
    """`layer_means` of several series, named by ``series``; those with one layer more begin one
    earlier, before the first block.

    Args:
        name: what is averaged.
        series: name → values and the group of each item.
        unit: of the values.
        first: number of the first layer that all series have.

    Example:
        >>> x = {"state": (np.ones((3, 2)), [0, 1]), "step": (np.zeros((2, 2)), [0, 1])}
        >>> [(e.where["series"], e.where["layer"]) for e in layer_profiles("norm", x)]
        [('state', -1), ('state', 0), ('state', 1), ('step', 0), ('step', 1)]
    """
    layers, out = min(len(x) for x, _ in series.values()), []
    for own, (x, groups) in series.items():
        begin, where = first - (len(x) - layers), {"series": own}
        out += layer_means(name, x, groups, first=begin, unit=unit, where=where)
    return out
