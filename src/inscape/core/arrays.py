"""Arrays in, the same kind out: numpy arrays and torch tensors as estimators take them."""

from __future__ import annotations

from typing import Any

import numpy as np
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
