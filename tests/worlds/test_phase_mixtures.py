"""Phase mixtures: one component is concentrated, many are not."""

from __future__ import annotations

import numpy as np

from inscape.worlds.phase_mixtures import phase_mixtures


def test_single_components_are_concentrated_and_mixtures_less():
    def resultant(most: int) -> np.ndarray:
        x = phase_mixtures(200, 100, most=most, rng=np.random.default_rng(0))
        return abs(np.exp(2j * np.pi * x).mean(axis=1))

    assert resultant(1).min() > 0.25
    assert resultant(6).mean() < resultant(1).mean() - 0.1
    centres = phase_mixtures(400, 50, most=1, rng=np.random.default_rng(1)).mean(axis=1)
    assert np.ptp(centres) > 0.7
