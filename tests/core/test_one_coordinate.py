"""One coordinate that is more than half of a vector or of what a probe predicts is said; several
are not.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.control.steering_vector import SteeringVector
from inscape.core.one_coordinate import of_predictions, of_vector, probe_warnings, vector_warning
from inscape.read.ridge import RidgeProbe


@given(st.integers(0, 31), st.floats(1e-3, 1e3))
def test_a_share_is_of_the_squared_length_whatever_the_scale(j, scale):
    v = np.ones(32)
    v[j] = np.sqrt(31.0)
    found, share = of_vector(scale * v)
    assert (found, share) == (j, pytest.approx(0.5))


def test_a_vector_of_zeros_rests_on_nothing():
    assert of_vector(np.zeros(20))[1] == 0
    assert vector_warning(np.zeros(20), "it") is None


def test_only_more_than_half_is_said():
    v = np.ones(32)
    for size, told in (
        (5.5, None),
        (5.7, "51 % of the squared length of it is coordinate 3 alone"),
    ):
        v[3] = size
        found = vector_warning(v, "it")
        assert found is None if told is None else told.replace(" %", "%") in found
    assert vector_warning(np.array([1.0, 9.0]), "a pair") is None


def test_predictions_that_follow_one_coordinate_are_told_from_those_of_many():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 32))
    x[:, 5] *= 100
    one, many = x[:, 5] + x[:, 6], x[:, 6:20].sum(axis=1)
    found = of_predictions(x, np.stack([one, many], axis=1))
    assert found[0][0] == 5
    assert found[0][1] > 0.99
    assert found[1][1] < 0.3
    told = probe_warnings(x, np.stack([one, many], axis=1), "resid_post.3")
    assert told[0].startswith("Coordinate 5 of resid_post.3 alone explains 100%")
    assert told[1] is None
    assert probe_warnings(x[:, :4], one[:, None], "few") == [None]
    assert of_predictions(x, np.ones((200, 1)))[0][1] == 0


def test_vectors_and_probes_say_it():
    rng = np.random.default_rng(0)
    v = rng.normal(size=32)
    assert SteeringVector({1: v}).warnings == ()
    v[7] = 50
    (told,) = SteeringVector({1: v, 2: rng.normal(size=32)}).warnings
    assert "of the vector of block 1 is coordinate 7 alone" in told
    x = rng.normal(size=(300, 32))
    assert "direction 0 is coordinate 7" in RidgeProbe().fit(x, x[:, 7]).warnings_[0]
    assert RidgeProbe().fit(x, x.sum(axis=1)).warnings_ == ()
