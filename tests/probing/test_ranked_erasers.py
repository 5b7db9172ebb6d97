"""Erasers of several ranks: each takes what it says, and the concept's one direction where it is
found.
"""

from __future__ import annotations

import numpy as np

from inscape.probing.ranked_erasers import LEACE, MEANS, NOTHING, ranked_erasers
from inscape.worlds.planted_concept import planted_concept


def test_every_eraser_takes_its_dimensions_and_the_first_direction_is_the_concepts():
    w = planted_concept(400, 8, strength=4.0, quadratic=0.0)
    x = w.x - w.x.mean(axis=0)
    maps = ranked_erasers((1, 2), (1, 3), steps=40, draws=2)(x, w.z, 0)
    assert next(iter(maps)) == NOTHING
    ranks = {name: np.linalg.matrix_rank(x - erase(x), tol=1e-6) for name, erase in maps.items()}
    assert ranks == {
        NOTHING: 0,
        "R-LACE, 1": 1,
        "R-LACE, 2": 2,
        "INLP, 1": 1,
        "INLP, 3": 3,
        MEANS: 1,
        LEACE: 1,
        "random, 1": 1,
        "random, 1 (2)": 1,
        "random, 2": 2,
        "random, 2 (2)": 2,
    }
    for name in ("R-LACE, 1", MEANS, LEACE):
        after = maps[name](x)
        gap = after[w.z == 1].mean(axis=0) - after[w.z == 0].mean(axis=0)
        assert np.linalg.norm(gap) < 1.0
    assert not np.allclose(maps["random, 1"](x), maps["random, 1 (2)"](x))
