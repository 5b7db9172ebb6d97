"""Phase mixtures: samples of random mixtures of von Mises distributions, measures on the circle of
any shape.

Cost: the samples.
Reference: Mardia and Jupp (2000), Directional statistics, §3.5 (von Mises).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from inscape.core.between import check_between


def phase_mixtures(
    measures: int, n: int = 200, *, most: int = 3, rng: np.random.Generator
) -> Float64[np.ndarray, "measures n"]:
    """Samples of phases, in turns.

    Args:
        measures: how many mixtures.
        n: phases of each.
        most: components at most, each with a centre, a concentration between 1 and 30 and a weight
            of its own.
        rng: of everything.

    Raises:
        ValueError: a number that is out of range.

    Example:
        >>> made = phase_mixtures(3, 50, rng=np.random.default_rng(0))
        >>> made.shape, bool((made >= 0).all() and (made < 1).all())
        ((3, 50), True)
    """
    for name, size in (("measures", measures), ("n", n), ("most", most)):
        check_between(f"phase_mixtures: {name}", size, 1)
    out = np.empty((measures, n))
    for row in out:
        parts = int(rng.integers(1, most + 1))
        own = rng.choice(parts, n, p=rng.dirichlet(np.ones(parts)))
        centres = rng.uniform(-np.pi, np.pi, parts)
        tight = np.exp(rng.uniform(0, np.log(30), parts))
        row[:] = rng.vonmises(centres[own], tight[own]) / (2 * np.pi) % 1.0
    return out
