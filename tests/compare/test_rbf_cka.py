"""Debiased CKA of Gaussian kernels: its estimator, its limit of large bandwidths, its
invariances.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from inscape.compare.linear_cka import linear_cka
from inscape.compare.rbf_cka import rbf_cka
from tests.compare.references import cka_1, pair, rotation


@pytest.mark.parametrize("bandwidth", [0.2, 0.5, 2.0])
def test_it_is_the_estimator_of_the_kernels(bandwidth):
    kernels = []
    for side in pair():
        far = pdist(side)
        kernels.append(np.exp(-(squareform(far) ** 2) / 2 / (bandwidth * np.median(far)) ** 2))
    assert rbf_cka(*pair(), bandwidth=bandwidth) == pytest.approx(cka_1(*kernels), abs=1e-10)


def test_large_bandwidths_are_linear_and_small_ones_are_not():
    x, y = pair(80)
    assert rbf_cka(x, y, bandwidth=200.0) == pytest.approx(linear_cka(x, y), abs=1e-3)
    assert abs(rbf_cka(x, y, bandwidth=0.3) - linear_cka(x, y)) > 0.05


def test_unrelated_representations_give_zero():
    rng = np.random.default_rng(0)
    draws = [rbf_cka(rng.normal(size=(50, 80)), rng.normal(size=(50, 80))) for _ in range(20)]
    assert abs(np.mean(draws)) < 0.02


@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=20, deadline=None)
def test_rotation_scale_and_shift_change_nothing(seed, scale, shift):
    x, y = pair(40, seed=seed)
    moved = scale * x @ rotation(7, seed) + shift
    assert rbf_cka(moved, y) == pytest.approx(rbf_cka(x, y), abs=1e-8)


def test_what_is_not_defined_is_refused():
    x, y = pair()
    with pytest.raises(ValueError, match="bandwidth must be positive, got 0"):
        rbf_cka(x, y, bandwidth=0.0)
    with pytest.raises(ValueError, match="half of the items or more are equal"):
        rbf_cka(np.ones_like(x), y)
