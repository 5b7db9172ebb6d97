"""Numbers of a text with minus signs, and names left alone."""

import pytest

from inscape.core.typeset import typeset


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-7.1%", "−7.1%"),
        ("[-0.2, 0.1]", "[−0.2, 0.1]"),
        ("4e-15 and -2.5e-06", "4e−15 and −2.5e−6"),
        ("1e+12", "1e12"),
        ("3-5 of gpt-2, llama-3.2-1b", "3-5 of gpt-2, llama-3.2-1b"),
        ("one-way e-mail, resid_post.-1", "one-way e-mail, resid_post.-1"),
    ],
)
def test_numbers_are_set_and_names_are_left(text, printed):
    assert typeset(text) == printed
    assert typeset(printed) == printed
