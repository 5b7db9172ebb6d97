"""Generations, points, overlays, heads and contexts: what they show, and what they refuse."""

import numpy as np
import pytest

from inscape.views.contexts import contexts
from inscape.views.generations import generations, lines, parted
from inscape.views.heads import heads
from inscape.views.overlay import overlay
from inscape.views.points import points


def test_a_generation_is_marked_from_the_first_other_word_on():
    said = {"baseline": ["a calm sea", "<b>"], "strength 4": ["a cold sea", "<b>"]}
    html = generations(["It was", "<i>"], said)
    assert html.count("<mark") == 1
    assert ">cold sea</mark>" in html
    assert "&lt;b&gt;" in html
    assert "<b><i>" not in html
    assert lines(["It was", "x"], said)[1] == "  baseline    a calm sea"
    assert lines(["It was", "x"], {"a": ["", "y"]})[1] == "  a  (nothing)"
    with pytest.raises(ValueError, match="a text for each of 1 prompts, got {'a': 2}"):
        generations(["It was"], {"a": ["x", "y"]})
    with pytest.raises(ValueError, match="every condition needs a text"):
        generations(["It was"], {})


@pytest.mark.parametrize(
    ("text", "base", "same"),
    [
        ("same", "same", "same"),
        ("abc", "abd", ""),
        ("a b", "a c", "a "),
        ("a", "a b", "a"),
        ("", "x", ""),
    ],
)
def test_where_texts_part(text, base, same):
    assert parted(text, base) == (same, text[len(same) :])


def test_points_stand_where_they_belong_with_their_texts():
    xy = np.array([[0.0, 0.0], [10.0, 5.0], [10.0, 5.0]])
    html = points(xy, ["one", "two", "<three>"], ["a", "b", "b"], title="T", axes=("PC 1", "PC 2"))
    assert html.count('tabindex="0"') == 3
    assert '<circle cx="24.0" cy="396.0"' in html  # the smallest: left, below
    assert html.count("<polygon") == 3  # group b has another shape: two points and the legend
    assert "b: &lt;three&gt;" in html
    # equal places on an axis do not divide by zero
    assert "nan" not in points(np.zeros((2, 2)), ["a", "b"])
    for wrong, sentence in (
        ((xy[:, :1], ["a"] * 3), r"xy must be \(n, 2\)"),
        ((xy, ["a"]), r"xy must be \(n, 2\)"),
        ((xy * np.nan, ["a"] * 3), "places must be finite"),
    ):
        with pytest.raises(ValueError, match=sentence):
            points(*wrong)


def test_many_groups_share_the_last_colour():
    names = [str(i) for i in range(12)]
    html = points(np.random.default_rng(0).normal(size=(12, 2)), names, names)
    assert html.count("#7f7f7f") == 2 * 5


def test_an_overlay_says_where_the_most_is_and_lists_all():
    image = np.zeros((8, 16, 3), dtype=np.uint8)
    html = overlay(image, np.array([[0.0, 2.0], [-1.0, 0.5]]), title="T", what="attention")
    assert html.count("<img") == 2
    assert "The largest attention is 2, in row 1, column 2." in html
    assert "row 2: -1, 0.5" in html
    assert '<label for="' in html
    with pytest.raises(ValueError, match=r"image must be \(height, width, 3\) of 8 bits"):
        overlay(image.astype(float), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"values must be \(rows, columns\), got \(4,\)"):
        overlay(image, np.ones(4))


def test_heads_say_in_words_where_they_look():
    weights = np.zeros((2, 3, 3))
    weights[0, 2, 0] = weights[1, 2, 1] = 1
    html = heads(["a", "<b>", "c"], weights, title="Layer 1", key="k")
    assert html.count("<img") == 2
    assert "head 0: from &#x27;c&#x27; most at &#x27;a&#x27; (1.00)" in html
    assert "most at &#x27;&lt;b&gt;&#x27;" in html
    with pytest.raises(ValueError, match=r"weights must be \(heads, 2, 2\) for 2 tokens"):
        heads(["a", "b"], weights)


def test_a_long_text_is_shown_around_its_peak_and_opens_whole():
    tokens = [[f"t{i} " for i in range(50)], ["short"], []]
    values = [np.arange(50) % 31.0, np.array([-2.0]), np.array([])]
    html = contexts(tokens, values, around=3)
    assert html.count("<details>") == 1
    shown = html[: html.index("<details>")]
    assert "t30 " in shown
    assert "t26 " not in shown
    assert "<b>30</b>" in html
    assert "<b>-2</b>" in html
    with pytest.raises(ValueError, match="a value is needed for each token"):
        contexts([["a"]], [np.ones(2)])
