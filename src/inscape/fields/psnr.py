"""How close is a reconstruction to its signal, in decibels?

    PSNR = −10 log₁₀ ( mean squared error / peak² )

Cost: O(n).
Reference: Huynh-Thu and Ghanbari (2008), Scope of validity of PSNR, Electronics Letters 44.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from inscape.core.arrays import to_numpy


def psnr(reconstruction: Any, signal: Any, *, peak: int | float = 1.0) -> float:
    """Peak signal-to-noise ratio, dB.

    Args:
        reconstruction: any shape.
        signal: the same shape.
        peak: the largest value that the signal can take.

    Raises:
        ValueError: shapes that differ, no value, or a peak that is not positive.

    Example:
        >>> round(psnr(np.full(4, 0.1), np.zeros(4)), 6)
        20.0
    """
    a, b = (np.asarray(to_numpy(x), dtype=np.float64) for x in (reconstruction, signal))
    if a.shape != b.shape:
        raise ValueError(
            f"psnr: reconstruction and signal have the shapes {a.shape} and {b.shape}; they must "
            "agree"
        )
    if not a.size or not peak > 0:
        raise ValueError(f"psnr: needs values and a positive peak, got {a.size} and {peak}")
    error = float(((a - b) ** 2).mean())
    return float("inf") if error == 0 else -10 * float(np.log10(error / peak**2))
