"""Centred moments are those of the rows, and merging parts loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.core.centred import Centred

FIELDS = ("mean", "scatter", "cubic", "quartic")


def rows(n: int = 200, d: int = 5, offset: float = 30.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (
        rng.gamma(1.0, size=(n, d)) @ rng.normal(size=(d, d)) + offset
    )  # skewed: the cubic is not zero


def same(a: Centred, b: Centred, tolerance: float) -> None:
    assert a.n == b.n
    for name in FIELDS:
        one, other = np.asarray(getattr(a, name)), np.asarray(getattr(b, name))
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max(), name


def test_they_are_what_the_rows_say():
    x = rows()
    m, c = Centred.of(x), x - x.mean(axis=0)
    np.testing.assert_allclose(m.covariance, np.cov(x.T))
    norms = (c**2).sum(axis=1)
    np.testing.assert_allclose(m.cubic, (norms[:, None] * c).sum(axis=0))
    assert np.abs(m.cubic).max() > 1
    assert m.quartic == pytest.approx((norms**2).sum())
    assert m.trace == pytest.approx(norms.sum())


@given(
    cuts=st.lists(st.integers(1, 199), max_size=6, unique=True),
    offset=st.sampled_from([0.0, 30.0, -1e4]),
)
@settings(max_examples=40, deadline=None)
def test_parts_make_the_whole_in_any_order(cuts, offset):
    x = rows(offset=offset)
    parts = [Centred.of(part) for part in np.split(x, sorted(cuts))]
    whole = Centred.of(x)
    tolerance = (
        1e-12 if abs(offset) < 100 else 1e-9
    )  # rows of 1e4 ± 1 hold twelve digits of their deviation themselves
    same(sum(parts[1:], parts[0]), whole, tolerance)
    same(sum(parts[-2::-1], parts[-1]), whole, tolerance)


def test_an_offset_costs_no_digits_where_raw_sums_lose_them():
    x = rows(offset=1e6).astype(np.float32).astype(np.float64)
    whole = Centred.of(x[:70]) + Centred.of(x[70:])
    exact = np.cov(x.T) * (len(x) - 1)
    raw = x.T @ x - np.outer(x.sum(axis=0), x.mean(axis=0))
    assert np.abs(whole.scatter - exact).max() < 1e-9 * np.abs(exact).max()
    assert np.abs(raw - exact).max() > 1e-6 * np.abs(exact).max()


def test_half_precision_is_accumulated_in_float64():
    x = np.full((4001, 1), 3.0, dtype=np.float16)
    x[0] = 4
    assert Centred.of(x).mean[0] == pytest.approx(3 + 1 / 4001, rel=1e-14)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"Centred\.of: there are no rows"):
        Centred.of(np.empty((0, 3)))
    with pytest.raises(ValueError, match="rows of 2 and 3 numbers cannot be one set"):
        Centred.of(np.ones((2, 2))) + Centred.of(np.ones((2, 3)))
    with pytest.raises(ValueError, match="one row has no covariance"):
        _ = Centred.of(np.ones((1, 2))).covariance
