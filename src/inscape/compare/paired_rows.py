"""What every comparison asks of its input: two tables of numbers whose rows are the same items.

Checked once, at the door of each measure: two axes, as many rows on both sides, finite numbers,
enough rows. Everything is float64 from there on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.arrays import check_order
from inscape.core.item_rows import checked_rows


def paired_rows(
    x: Any, y: Any, caller: str, *, least: int = 4
) -> tuple[Float64[np.ndarray, "n d"], Float64[np.ndarray, "n e"]]:
    """Both representations as float64 arrays.

    Args:
        x: the first, rows are items; an array or a tensor.
        y: the second, the same items in the same order.
        caller: name of the measure, for messages.
        least: fewest rows for which it is defined.

    Raises:
        ValueError: not two axes, other items or in another order, too few of them, or a number that
            is not finite.

    Example:
        >>> paired_rows([[1, 2], [3, 4]], [[1], [2]], "measure", least=2)[1].shape
        (2, 1)
    """
    check_order(caller, x, y)
    a, b = checked_rows(x, f"{caller}: x", least=least), checked_rows(y, f"{caller}: y", least=1)
    if len(a) != len(b):
        raise ValueError(
            f"{caller}: x has {len(a)} rows and y has {len(b)}; give the same items in the same "
            "order"
        )
    return a, b
