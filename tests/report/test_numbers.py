"""Numbers as a reader wants them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.report import numbers


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.41234, "0.412"),
        (0.0412, "0.041"),
        (12.345, "12.3"),
        (1532.4, "1532"),
        (23456.7, "23\u202f457"),
        (1500, "1500"),
        (-0.031, "−0.031"),
        (2.1e-6, "2e−6"),
        (0.0, "0"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_numbers(x, text):
    assert numbers.number(x) == text


@given(st.floats(-1e9, 1e9, allow_nan=False))
def test_what_is_shown_is_within_one_per_cent_or_half_a_thousandth(x):
    shown = float(numbers.number(x).replace("−", "-").replace("\u202f", ""))
    assert shown == pytest.approx(x, rel=0.01, abs=0.0005)


def test_a_column_shares_its_places():
    assert numbers.column([0.1, 0.25, None]) == ["0.100", "0.250", "–"]
    assert numbers.column([1, 20, 12345]) == ["1", "20", "12\u202f345"]
    assert numbers.column([120.5, 3.25]) == ["120", "3"]
    assert numbers.column([1e-5, 2e-6]) == ["1e−5", "2e−6"]
    # over many powers of ten no number is lost; rounding errors stay zero
    assert numbers.column([0.5, 3e-4, 2e-7]) == ["0.500", "0.0003", "2e−7"]
    assert numbers.column([0.5, 3e-16, 0.0]) == ["0.500", "0.000", "0.000"]
    assert numbers.column([4.25, 1.3364e18]) == ["4", "1.34e18"]
    assert numbers.column([-0.0001, 0.5]) == ["0.000", "0.500"]
    assert numbers.column([math.nan, math.nan]) == ["–", "–"]


def test_a_value_has_the_decimal_places_of_its_interval():
    assert numbers.with_ends(1e-17, -0.03, 0.03) == ("0.000", "[−0.030,\u00a00.030]")
    assert numbers.with_ends(1.0, 0.398, 1.0) == ("1.000", "[0.398,\u00a01.000]")
    assert numbers.with_ends(3, 2, 4) == ("3", "[2,\u00a04]")
    assert numbers.with_ends(6e-16, None, None) == ("6e−16", "–")


def test_intervals_p_values_bars_and_durations():
    assert numbers.interval(0.3, 0.45) == "[0.300,\u00a00.450]"
    assert numbers.interval(None, 0.45) == "–"
    assert numbers.interval(0.3, 0.45, places=1) == "[0.3,\u00a00.5]" or numbers.interval(
        0.3, 0.45, 1
    ).startswith("[0.3")
    assert numbers.p_value(0.0004) == "< 0.001"
    assert numbers.p_value(0.0476) == "0.048"
    assert numbers.p_value(None) == "–"
    assert numbers.exact(0.2) == "0.2"
    assert numbers.exact(None) == "–"
    assert [numbers.seconds(s) for s in (4.21, 45.0, 125.2, 7300.0, None)] == [
        "4.2 s",
        "45 s",
        "2 min 5 s",
        "2 h 1 min",
        "–",
    ]
