"""Shared factors: agreement rises with what is shared, and is at chance where nothing is."""

from __future__ import annotations

import numpy as np

from inscape.compare.linear_cka import linear_cka
from inscape.worlds.shared_factors import shared_factors


def test_agreement_rises_with_the_strength():
    strength = {"whole": 3.0, "some": 0.5, "none": 0.0}
    made = shared_factors(strength, 400, rng=np.random.default_rng(0))
    whole, some, none = (linear_cka(made["whole"], made[a]) for a in strength)
    assert whole > 0.99 > some > 0.3
    assert abs(none) < 0.05
