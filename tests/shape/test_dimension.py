"""Dimensions of planted surfaces: right where they are low, biased low where they are high, and a
curve over scale.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.shape.gride import gride
from inscape.shape.mle_dimension import mle_dimension
from inscape.shape.neighbour_distances import neighbour_distances
from inscape.shape.two_nn import two_nn, two_nn_curve


def flat(d, n=1000, into=30, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ np.linalg.qr(rng.normal(size=(into, into)))[0][:d]


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_flat_surface_in_many_neurons_has_its_dimension(d):
    x = flat(d)
    assert two_nn(x) == pytest.approx(d, rel=0.12)
    assert mle_dimension(x) == pytest.approx(d, rel=0.12)
    found = gride(x, most=16)
    assert found["dimension"].iloc[0] == pytest.approx(d, rel=0.12)
    assert (found["low"] < found["dimension"]).all()
    assert found["scale"].is_monotonic_increasing


def test_high_dimensions_are_underestimated_by_as_much_as_is_known():
    x = np.random.default_rng(0).normal(size=(2000, 20))
    assert two_nn(x) == pytest.approx(16.2, abs=1.2)
    assert mle_dimension(x, k=20) == pytest.approx(15.3, abs=0.7)


def test_the_first_scale_of_gride_is_the_most_likely_two_nn():
    radius = neighbour_distances(flat(3, 400), 2, "test").radius
    expected = 400 / np.log(radius[:, 1] / radius[:, 0]).sum()
    assert gride(flat(3, 400), most=2)["dimension"].iloc[0] == pytest.approx(expected, rel=1e-5)


def test_noise_is_seen_at_small_scales_and_the_surface_at_large_ones():
    rng = np.random.default_rng(0)
    x = flat(2, 1500, 60) + 0.02 * rng.normal(size=(1500, 60))
    curve = gride(x, most=256)["dimension"]
    assert curve.iloc[0] > 2 * curve.iloc[-1]
    assert curve.iloc[-1] < 4
    found = two_nn_curve(x, [100, 400, 1500], rng=rng)
    assert found["dimension"].is_monotonic_increasing
    assert found["repeats"].tolist() == [5, 3, 1]
    assert found["sd"].isna().tolist() == [False, False, True]


def test_repeated_rows_are_kept_once_and_counted():
    x = flat(2, 500)
    again = np.concatenate([x, x[:50]])
    assert neighbour_distances(again, 2, "test").dropped == 50
    assert two_nn(again) == pytest.approx(two_nn(x))
    assert mle_dimension(again) == pytest.approx(mle_dimension(x))
    assert np.isfinite(gride(again)["dimension"]).all()


def test_near_rows_far_from_the_origin_keep_their_digits():
    x = flat(2, 300)
    assert two_nn(1e-4 * x + 1e3) == pytest.approx(two_nn(x), rel=1e-3)


@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_rotation_scale_and_shift_change_nothing(seed, scale, shift):
    x = flat(3, 120, 6, seed)
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    moved = scale * x @ q + shift
    assert two_nn(moved) == pytest.approx(two_nn(x), rel=1e-6)
    assert mle_dimension(moved) == pytest.approx(mle_dimension(x), rel=1e-6)


def test_unbiased_is_one_neighbour_fewer():
    x = flat(3, 300)
    assert mle_dimension(x, k=12, unbiased=True) == pytest.approx(mle_dimension(x, k=12) * 10 / 11)


def test_what_cannot_be_estimated_is_refused():
    x = flat(2, 30)
    with pytest.raises(ValueError, match="discard must be from 0 up to but not 1"):
        two_nn(x, discard=1.0)
    with pytest.raises(ValueError, match="5 distinct rows are too few"):
        two_nn(np.tile(x[:5], (4, 1)))
    with pytest.raises(ValueError, match="1 distinct rows have no 2 neighbours"):
        two_nn(np.ones((9, 2)))
    with pytest.raises(ValueError, match=r"\(a grid\)"):
        two_nn(np.eye(12))
    with pytest.raises(ValueError, match="a subsample of 31 was asked of 30"):
        two_nn_curve(x, [31], rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="k must be at least 3"):
        mle_dimension(x, k=2)
    with pytest.raises(ValueError, match="all neighbours are equally far"):
        mle_dimension(np.eye(12), k=5)
    with pytest.raises(ValueError, match="most must be at least 2"):
        gride(x, most=1)


def test_gride_has_no_dimension_where_all_neighbours_are_equally_far():
    found = gride(np.eye(12), most=8)
    assert found[["dimension", "low", "high"]].isna().all(axis=None)
    assert gride(np.random.default_rng(0).normal(size=(12, 3)), most=8).notna().all(axis=None)


@pytest.mark.parametrize(
    ("sizes", "repeats", "message"),
    [([], 1, "needs a size"), ([20], 0, "at least one repeat"), ([3], 1, "of 3 is too few")],
)
def test_a_curve_needs_sizes_and_repeats(sizes, repeats, message):
    x = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(ValueError, match=message):
        two_nn_curve(x, sizes, repeats=repeats, rng=np.random.default_rng(0))
