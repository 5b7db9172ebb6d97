"""Tokens coloured by a number: as strong as their share of the most, and never markup."""

import re

import numpy as np
import pytest

from inscape.views.tokens import strip


def test_colour_is_the_share_of_the_most():
    made = strip(["a", "b", "c"], np.array([2.0, -1.0, 0.0]))
    assert re.findall(r"rgba\((\d+),\d+,\d+,([\d.]+)\)", made) == [
        ("31", "0.550"),
        ("225", "0.275"),
        ("31", "0.000"),
    ]
    assert 'title="2"' in made
    assert "0.550" not in strip(["a"], np.array([1.0]), most=2.0)


def test_hostile_tokens_stay_text():
    made = strip(["<script>", '"\x1b[2J', "\n"], np.zeros(3))
    assert "<script" not in made
    assert "\x1b" not in made
    assert "\\n" in made


def test_as_many_values_as_tokens_are_needed():
    with pytest.raises(ValueError, match="2 values for 1 tokens"):
        strip(["a"], np.zeros(2))
