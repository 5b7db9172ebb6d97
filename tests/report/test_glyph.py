"""The picture of a claim puts value, interval, bar and null where they belong on one axis."""

import re

from hypothesis import given
from hypothesis import strategies as st

from inscape.report.glyph import WIDTH, picture

CLAIM = {
    "value": 0.4,
    "low": 0.3,
    "high": 0.5,
    "at_least": 0.2,
    "verdict": "supported",
    "null": {"mean": 0.0, "low": -0.05, "high": 0.05},
}


def _at(svg, pattern):
    return float(re.search(pattern, svg)[1])


def test_positions_keep_the_order_of_the_numbers():
    svg = picture(CLAIM)
    null, bar = _at(svg, r'g-null" x="([\d.]+)'), _at(svg, r'g-bar" x1="([\d.]+)')
    low, value = _at(svg, r'g-interval g-pass" x1="([\d.]+)'), _at(svg, r'cx="([\d.]+)')
    assert null < bar < low < value
    assert "g-fail" in picture(CLAIM | {"verdict": "not supported"})
    assert "g-pass" not in picture(CLAIM | {"verdict": "not supported"})


def test_what_is_not_there_is_not_drawn():
    svg = picture(
        {
            "value": 0.4,
            "low": None,
            "high": None,
            "at_least": 0.2,
            "verdict": "supported",
            "null": None,
        }
    )
    assert "g-null" not in svg
    assert "g-interval" not in svg
    assert picture({"value": None}) == ""
    assert picture({"value": float("nan")}) == ""


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@given(numbers, numbers, numbers, numbers)
def test_everything_stays_inside_whatever_the_numbers(value, low, high, bar):
    svg = picture(
        {
            "value": value,
            "low": min(low, high),
            "high": max(low, high),
            "at_least": bar,
            "verdict": "uncertain",
            "null": None,
        }
    )
    for x in re.findall(r' (?:x1|x2|cx)="([-\d.]+)"', svg):
        assert -0.1 <= float(x) <= WIDTH + 0.1
