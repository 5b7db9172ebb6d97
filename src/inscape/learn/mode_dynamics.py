"""How fast one mode of two competing deep linear pathways grows: its differential equation.

    dm_a/dt = D m_a^(2 − 2/D) (s − (1 + σ²) m_a − m_b),    and alike for m_b

m is the product of D equal layers along one singular direction of the target, s its singular value,
σ the noise of the views and t the learning rate times the steps. Where view b is blank m_b stays
and counts for nothing. Growth from a small m is slow, and the slower the deeper; what the other
pathway has taken of s slows it further, so a pathway that comes late may take very long.

Cost: that of solving two equations.
Reference: Saxe, McClelland and Ganguli (2014), arXiv:1312.6120, for one pathway; Kleinman, Achille
and Soatto (2024), arXiv:2308.12221, for two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.integrate import solve_ivp


@dataclass(frozen=True)
class Mode:
    """One mode of two pathways.

    Attributes:
        value: s, positive.
        depth: D, at least 1.
        noise: σ.
        start: m of both pathways at the start, positive.

    Raises:
        ValueError: a value, depth or start out of its range.

    Example:
        >>> both = Mode(1.0, 2, 0.0, 0.01).curves([(40.0, False)], [0.0, 40.0])
        >>> both.round(2).tolist()
        [[0.01, 0.5], [0.01, 0.5]]
    """

    value: float
    depth: int
    noise: float
    start: float

    def __post_init__(self) -> None:
        if self.value <= 0 or self.depth < 1 or self.start <= 0:
            raise ValueError(
                "Mode: value and start must be positive and depth at least 1, got "
                f"{self.value}, {self.start} and {self.depth}"
            )

    def curves(
        self, phases: Sequence[tuple[float, bool]], at: Sequence[float] | np.ndarray
    ) -> Float64[np.ndarray, "2 times"]:
        """m_a and m_b over time.

        Args:
            phases: duration of each, in units of t, and whether view b is blank in it.
            at: times, rising, from 0 up to the sum of the durations.

        Raises:
            ValueError: times outside the phases.
        """
        times, total = np.asarray(at, dtype=np.float64), sum(length for length, _ in phases)
        if times[0] < 0 or times[-1] > total * (1 + 1e-12):
            raise ValueError(f"Mode.curves: times must lie between 0 and {total:g}")
        begin, now, found = 0.0, np.array([self.start, self.start]), np.empty((2, len(times)))
        for length, blank in phases:
            here = (times >= begin) & (times <= (begin + length) * (1 + 1e-12))
            inside = np.append(np.clip(times[here] - begin, 0, length), length)
            solved = solve_ivp(
                self._speed,
                (0.0, length),
                now,
                method="LSODA",
                t_eval=np.unique(inside),
                args=(blank,),
                rtol=1e-8,
                atol=1e-12,
            )
            found[:, here] = solved.y[:, np.searchsorted(solved.t, inside[:-1])]
            begin, now = begin + length, solved.y[:, -1]
        return found

    def _speed(self, t: float, m: np.ndarray, blank: bool) -> np.ndarray:
        heard = np.array([1.0, 0.0 if blank else 1.0])
        left = self.value - (heard * m).sum() - self.noise**2 * m
        return heard * self.depth * np.maximum(m, 0.0) ** (2 - 2 / self.depth) * left
