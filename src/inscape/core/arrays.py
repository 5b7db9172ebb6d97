"""Arrays in, the same kind out: numpy arrays and torch tensors as estimators take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor


def to_numpy(x: Any) -> Any:
    """A tensor as a numpy array on the CPU (bfloat16 and half widened to float32); anything else
    unchanged.
    """
    if not isinstance(x, Tensor):
        return x
    x = x.detach().cpu()
    return (x.float() if x.dtype in (torch.bfloat16, torch.float16) else x).numpy()


def like(out: np.ndarray, x: Any) -> Any:
    """`out` as a tensor on the device of `x` if `x` is a tensor, else as it is."""
    return (
        torch.from_numpy(np.ascontiguousarray(out)).to(x.device) if isinstance(x, Tensor) else out
    )


def check_order(caller: str, *sides: Any) -> None:
    """Refuse pandas tables and columns whose indices name the same rows in another order: rows are
    taken by position, and would be paired wrongly.

    Args:
        caller: name of the function, for the message.
        sides: what must be of the same rows; anything but pandas objects passes.

    Raises:
        ValueError: such indices.
    """
    indices = [s.index for s in sides if isinstance(s, (pd.Series, pd.DataFrame))]
    for other in indices[1:]:
        same = len(other) == len(indices[0]) and other.isin(indices[0]).all()
        if same and not other.equals(indices[0]) and other.is_unique:
            raise ValueError(
                f"{caller}: two sides have the same rows in another order, by their indices; give "
                "y.loc[x.index], or .to_numpy() of each to take rows as they stand"
            )
