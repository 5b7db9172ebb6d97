"""Targets that come round."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.core.errors import DataError
from inscape.read.circular import CircularProbe, circular_error
from inscape.read.ridge import RidgeProbe


def clock(n=300, seed=0):
    """Hours on a circle hidden in eight dimensions."""
    rng = np.random.default_rng(seed)
    hours, plane = 24 * rng.random(n), np.linalg.qr(np.random.default_rng(9).normal(size=(8, 2)))[0]
    angle = hours * np.pi / 12
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane.T + 0.1 * rng.normal(
        size=(n, 8)
    ), hours


def test_it_reads_the_clock_where_a_straight_probe_breaks_at_midnight():
    x, hours = clock()
    fresh, truth = clock(seed=1)
    probe = CircularProbe(24.0).fit(x, hours)
    assert circular_error(probe.predict(fresh), truth, 24.0).mean() < 0.6
    assert probe.score(fresh, truth) > 0.97
    straight = circular_error(RidgeProbe().fit(x, hours).predict(fresh), truth, 24.0)
    late = (truth > 22) | (truth < 2)
    assert straight[late].mean() > 4
    noise = CircularProbe(24.0).fit(x, np.random.default_rng(2).permutation(hours))
    assert abs(noise.score(fresh, truth)) < 0.2


@settings(max_examples=20, deadline=None)
@given(turn=st.floats(-100, 100), rounds=st.integers(-3, 3))
def test_zero_o_clock_is_wherever_it_is_put(turn, rounds):
    x, hours = clock(80)
    plain, moved = (
        CircularProbe(24.0).fit(x, hours),
        CircularProbe(24.0).fit(x, hours + turn + 24 * rounds),
    )
    assert circular_error(plain.predict(x) + turn, moved.predict(x), 24.0).max() < 1e-6


def test_the_error_is_the_shorter_way_and_no_longer_than_half():
    assert circular_error(np.array([1, 13]), np.array([23, 1]), 24).tolist() == [2, 12]
    assert circular_error(np.array([0.1]), np.array([6.2]), 2 * np.pi)[0] == pytest.approx(
        0.1 + 2 * np.pi - 6.2
    )


def test_kinds_groups_and_refusals():
    x, hours = clock(60)
    probe = CircularProbe(24.0).fit(torch.tensor(x), torch.tensor(hours), groups=np.arange(60) % 6)
    assert isinstance(probe.predict(torch.tensor(x)), torch.Tensor)
    assert probe.plane(x).shape == (60, 2)
    assert probe.direction_.shape == (2, 8)
    with pytest.raises(ValueError, match="period must be positive"):
        CircularProbe(0.0).fit(x, hours)
    with pytest.raises(DataError, match="all rows are in one group"):
        CircularProbe().fit(x, hours, groups=np.zeros(60))


@pytest.mark.parametrize("period", [0.0, -24.0, np.nan, np.inf])
def test_an_error_needs_a_period(period):
    with pytest.raises(ValueError, match="circular_error: period must be positive"):
        circular_error(np.array([23.0]), np.array([1.0]), float(period))
