"""A planted concept: rows in which one bit is written along a known direction, and once more where
no line can read it.

    x = Σ^{1/2} ε + (s/2) (±u) + main task + q          Σ has a power-law spectrum in a random basis, u a unit vector
    q: two coordinates whose signs agree if the bit is 1 and differ if it is 0

What must then hold: taking out u alone makes the bit unreadable for every linear probe, since the
classes' means differ along u and nowhere else; a classifier's own direction is Σ⁻¹u, not u, so
removing that leaves some, and again; and a probe that can multiply still reads the bit off q.

Cost: n d².
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from inscape.core.rng import generator


@dataclass(frozen=True, eq=False)
class PlantedConcept:
    """Rows and what was written into them.

    Attributes:
        x: (n, d).
        z: the bit, 0 or 1.
        task: a class that has nothing to do with it, 0 … 3.
        groups: rows of one group share a displacement.
        direction: u, (d,).
    """

    x: Float[np.ndarray, "n d"]
    z: Int[np.ndarray, " n"]
    task: Int[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]
    direction: Float[np.ndarray, " d"]


def planted_concept(
    n: int = 900,
    d: int = 32,
    strength: float = 3.0,
    decay: float = 0.7,
    quadratic: float = 1.5,
    apart: float = 2.0,
    seed: int = 0,
) -> PlantedConcept:
    """Draw rows.

    Args:
        n: rows, three to a group.
        d: width, at least 8.
        strength: distance of the two classes' means.
        decay: standard deviations fall as i^−decay.
        quadratic: size of the two coordinates whose product holds the bit; 0 for none.
        apart: how far classes of the unrelated task lie from the first of them.
        seed: of everything.

    Raises:
        ValueError: fewer than 8 dimensions.
    """
    if d < 8:
        raise ValueError(f"planted_concept: d must be at least 8, got {d}")
    rng = generator(seed, "planted concept")
    z, task, groups = rng.integers(0, 2, n), rng.integers(0, 4, n), np.arange(n) // 3
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    spread = (1 + np.arange(d)) ** -decay
    x = (rng.normal(size=(n, d)) * spread) @ basis
    x += 0.3 * (rng.normal(size=(n // 3 + 1, d)) * spread)[groups] @ basis
    frame = np.linalg.qr(rng.normal(size=(d, 6)))[
        0
    ].T  # u, the two coordinates, and three directions of the task
    x += strength / 2 * np.outer(2 * z - 1, frame[0])
    sign = rng.choice([-1.0, 1.0], size=n)
    x += quadratic * (np.outer(sign, frame[1]) + np.outer(sign * (2 * z - 1), frame[2]))
    x += np.vstack([np.zeros(d), apart * frame[3:]])[task]
    return PlantedConcept(x, z, task, groups, frame[0])


def plant(
    x: Float[np.ndarray, "n d"], strength: float, *, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"], Float[np.ndarray, " d"]]:
    """Write a random bit into rows that are there: ``x ± strength/2 · u``, in units of their root
    mean square deviation.

    Returns:
        The rows, the bit, and u.
    """
    z, u = rng.integers(0, 2, len(x)), rng.normal(size=x.shape[1])
    u /= np.linalg.norm(u)
    scale = float(np.sqrt(x.var(axis=0).mean()))
    return x + strength * scale / 2 * np.outer(2 * z - 1, u), z, u
