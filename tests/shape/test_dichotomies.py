"""Parallelism and cross-condition generalisation on a square, on random points, and on
exclusive-or.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.shape.cross_condition import cross_condition
from inscape.shape.parallelism import parallelism

SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
LEFT, XOR = [0, 0, 1, 1], [0, 1, 1, 0]


def cloud(centres, n=100, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    which = np.repeat(np.arange(len(centres)), n)
    return centres[which] + rng.normal(scale=noise, size=(len(which), centres.shape[1])), which


def test_a_factored_code_is_parallel_and_generalises():
    assert parallelism(SQUARE, LEFT) == pytest.approx(1)
    assert cross_condition(*cloud(SQUARE), LEFT) == pytest.approx(0.75, abs=0.02)
    cube = np.array(list(np.ndindex(2, 2, 2)), dtype=float)
    assert cross_condition(*cloud(cube), [0] * 4 + [1] * 4) == 1
    rotated = SQUARE @ np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))[0] * 3 + 7
    assert parallelism(rotated, LEFT) == pytest.approx(1)


def test_exclusive_or_is_neither():
    assert parallelism(SQUARE, XOR) == pytest.approx(-1)
    assert cross_condition(*cloud(SQUARE), XOR) < 0.05


def test_random_positions_are_at_chance():
    rng = np.random.default_rng(0)
    scores, generalised = [], []
    for seed in range(40):
        centres = rng.normal(size=(4, 300))
        scores.append(parallelism(centres, LEFT))
        generalised.append(cross_condition(*cloud(centres, 30, 0.2, seed), LEFT))
    assert abs(np.mean(scores)) < 0.05
    assert abs(np.mean(generalised) - 0.5) < 0.1


def test_the_best_pairing_is_taken():
    three = np.array([[0.0, 0], [0, 1], [0, 2], [1, 2], [1, 0], [1, 1]])
    assert parallelism(three, [0, 0, 0, 1, 1, 1]) == pytest.approx(1)


def test_refusals():
    with pytest.raises(ValueError, match="parallelism: a dichotomy has two sides of equal size"):
        parallelism(SQUARE, [0, 1, 1, 1])
    with pytest.raises(ValueError, match="cross_condition: a dichotomy has two sides"):
        cross_condition(*cloud(SQUARE), [0, 0, 1, 2])
    with pytest.raises(ValueError, match="two paired conditions have the same mean"):
        parallelism(np.zeros((4, 2)), LEFT)
