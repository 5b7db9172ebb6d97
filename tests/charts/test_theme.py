"""Colours can be told from the page and from each other, also without colour vision."""

from itertools import combinations

import numpy as np
import pytest

from inscape.charts import theme

#: Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB: protanopia and deuteranopia
BLINDNESS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def _linear(colour):
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _contrast(a, b):
    light, dark = sorted(
        (float(_linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (a, b)), reverse=True
    )
    return (light + 0.05) / (dark + 0.05)


def _lab(linear):
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ linear
    )
    f = np.cbrt(np.clip(xyz / [0.9505, 1.0, 1.089], 1e-6, None))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_AA_asks_and_series_that_of_graphics(scheme):
    config, page = theme.config(scheme), theme.page(scheme)
    for part, key in [
        ("axis", "labelColor"),
        ("axis", "titleColor"),
        ("legend", "labelColor"),
        ("text", "color"),
    ]:
        assert _contrast(config[part][key], page) >= 4.5, (part, key)
    for colour in (*theme.SERIES, theme.GREY):
        assert _contrast(colour, page) >= 3, colour
    assert _contrast("#cccccc", theme.page("light")) < 3


@pytest.mark.parametrize("matrix", BLINDNESS.values(), ids=BLINDNESS)
def test_the_first_series_and_the_null_differ_without_colour_vision(matrix):
    seen = [
        _lab(np.clip(np.array(matrix) @ _linear(c), 0, 1)) for c in (*theme.SERIES[:3], theme.GREY)
    ]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 10
    # red and green of equal lightness do not, which is why the palette has none
    red, green = (
        _lab(np.clip(np.array(matrix) @ _linear(c), 0, 1)) for c in ("#c05050", "#7f7f4f")
    )
    assert float(np.linalg.norm(red - green)) < 25


def test_variants_have_the_same_keys_and_no_background_of_their_own():
    light, dark = theme.config("light"), theme.config("dark")
    assert light.keys() == dark.keys()
    assert light != dark
    assert light["background"] is None
    assert theme.config("dark", "#000000")["background"] == "#000000"


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match="scheme must be 'light' or 'dark', got 'sepia'"):
        theme.config("sepia")
