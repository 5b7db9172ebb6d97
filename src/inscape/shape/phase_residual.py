"""Do three waves that a neuron is made of keep the phases that make it add angles?

    u(a) = cos(θ_u + 2πka/p),   v(b) = cos(θ_v + 2πkb/p),   w(c) = cos(θ_w + 2πkc/p)
    residual = |θ_u + θ_v − θ_w|, wrapped to 0 … π

It is 0 where w (u + v)² rewards c = a + b, and spread evenly over 0 … π (mean π/2) for phases that
have nothing to do with each other.

Cost: one discrete Fourier transform.
Reference: Morwani et al. (2024), arXiv:2311.07568, theorem 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64


def phase_residual(u: Any, v: Any, w: Any, frequency: Any) -> Float64[np.ndarray, " m"]:
    """Residual of each neuron, in radians.

    Args:
        u: a column for each neuron, (p, m).
        v: likewise.
        w: likewise.
        frequency: k of each neuron, (m,).

    Example:
        >>> a = 2 * np.pi * np.arange(7)[:, None] / 7
        >>> u, v, w = (np.cos(phase + 2 * a) for phase in (0.5, 1.0, 1.2))
        >>> phase_residual(u, v, w, [2]).round(6).tolist()
        [0.3]
    """
    at, neurons = np.asarray(frequency, dtype=int), np.arange(np.shape(u)[1])
    waves = np.fft.fft(np.asarray([u, v, w], dtype=np.float64), axis=1)
    one, two, three = waves[:, at, neurons]
    return np.abs(np.angle(one * two * three.conj()))
