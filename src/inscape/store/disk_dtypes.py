"""The dtypes that vectors have on the disk, and how they become float32 again.

bfloat16, which numpy has no type for, is read as the 16 bits it is: they are the upper half of a
float32.

Cost: one copy.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch

from inscape.core.site import Site

DiskDtype = Literal["float32", "bfloat16", "float16"]
TORCH_DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in get_args(DiskDtype)}


def site_entry(site: Site, width: int, dtype: str) -> dict[str, Any]:
    """What the manifest says of one site: its column, the width of its vectors, their dtype."""
    return {"column": str(site), "width": width, "dtype": dtype}


def decode_float32(raw: np.ndarray, out: np.ndarray) -> None:
    """Values as they were read into `out`; 16-bit integers are bfloat16 where `out` is float32."""
    if raw.dtype == np.uint16 and out.dtype == np.float32:
        np.left_shift(raw, 16, out=out.view(np.uint32), dtype=np.uint32)
    else:
        out[...] = raw
