"""Which frequencies of a signal has a field learned? Relative error of each, while it trains or
after.

    error(k) = |F[f − s](k)| / |F[s](k)|      F: Fourier transform over one period, k cycles in it

0 where the frequency is right in amplitude and phase, 1 where it is not learned at all.

Cost: O(n log n).
Reference: Rahaman et al. (2019), On the spectral bias of neural networks, arXiv:1806.08734, section
3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from inscape.core.arrays import to_numpy


def frequency_error(
    fitted: Any, signal: Any, cycles: Sequence[int]
) -> Float64[np.ndarray, " frequencies"]:
    """Relative error at some frequencies.

    Args:
        fitted: values of the field at n evenly spaced points of one period, its end left out, (n,).
        signal: values of the signal there, (n,).
        cycles: frequencies, in cycles over the period.

    Raises:
        ValueError: shapes that differ, a frequency beyond n / 2, or one that the signal lacks.

    Example:
        >>> t = np.arange(64) / 64
        >>> signal = np.sin(2 * np.pi * 3 * t) + np.sin(2 * np.pi * 5 * t)
        >>> frequency_error(np.sin(2 * np.pi * 3 * t), signal, [3, 5]).round(6).tolist()
        [0.0, 1.0]
    """
    f, s = (np.asarray(to_numpy(x), dtype=np.float64) for x in (fitted, signal))
    if f.shape != s.shape or f.ndim != 1:
        raise ValueError(
            "frequency_error: fitted and signal must have one shape (n,), got "
            f"{f.shape} and {s.shape}"
        )
    if not all(0 <= k <= len(s) // 2 for k in cycles):
        raise ValueError(
            f"frequency_error: cycles must be 0 to {len(s) // 2} for {len(s)} points, got "
            f"{list(cycles)}"
        )
    there, wrong = np.abs(np.fft.rfft(s))[list(cycles)], np.abs(np.fft.rfft(f - s))[list(cycles)]
    if (there <= 1e-9 * np.abs(s).sum()).any():
        raise ValueError(f"frequency_error: the signal lacks one of the frequencies {list(cycles)}")
    return wrong / there
