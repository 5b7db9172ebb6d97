"""Erasers of several ranks for one comparison: adversarial, iterative, by means, in closed form and
at random.

R-LACE and random projections take so many dimensions at once, iterative null-space projection one a
round, mean projection and LEACE what the classes' means span.

Cost: that of R-LACE for each rank, and of one logistic fit a round.
Reference: `inscape.control.rlace`, `inscape.control.inlp`, `inscape.control.mean_projection`,
`inscape.control.leace`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from inscape.control.inlp import INLP
from inscape.control.leace import LeaceEraser
from inscape.control.mean_projection import MeanProjection
from inscape.control.rlace import RLACE
from inscape.core.projection import span
from inscape.probing.erasures import Erasers

NOTHING, MEANS, LEACE, RANDOM = "nothing", "mean projection", "LEACE", "random"


def ranked_erasers(
    ranks: Sequence[int], rounds: Sequence[int], *, steps: int, draws: int
) -> Erasers:
    """Fits every eraser on training rows; the first erases nothing.

    Args:
        ranks: of R-LACE and of random projections, ``R-LACE, RANK`` and ``random, RANK``.
        rounds: of null-space projection that are kept, ``INLP, ROUND``.
        steps: moves of R-LACE.
        draws: random projections of each rank; the second is ``random, RANK (2)``.
    """

    def fit(x: np.ndarray, y: np.ndarray, seed: int) -> Mapping[str, Callable]:
        maps: dict[str, Callable] = {NOTHING: lambda rows: rows}
        for k in ranks:
            maps[f"R-LACE, {k}"] = RLACE(k, steps=steps, random_state=seed).fit(x, y).transform
        # no early stop: every round is looked at
        inlp = INLP(rounds=max(rounds), tol=-1.0).fit(x, y)
        for k in rounds:
            maps[f"INLP, {k}"] = _without(inlp.basis_[:k])
        maps[MEANS] = MeanProjection().fit(x, y).transform
        maps[LEACE] = LeaceEraser().fit(x, y).transform
        rng = np.random.default_rng(seed)
        for k in ranks:
            for draw in range(draws):
                name = f"{RANDOM}, {k}" + (f" ({draw + 1})" if draw else "")
                maps[name] = _without(span(rng.normal(size=(k, x.shape[1]))))
        return maps

    return fit


def _without(basis: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: rows - (rows @ basis.T) @ basis
