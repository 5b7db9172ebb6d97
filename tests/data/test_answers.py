"""Answers: what counts as right, and where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inscape.data.answers import Answer, find, graded, locate, plain


@pytest.mark.parametrize(
    ("text", "reference", "others", "right", "exact"),
    [
        (" Lima.", ["Lima"], [], True, "Lima"),
        (" the city of lima, Peru.", ["Lima"], [], True, "lima"),
        (" Bogota.", ["Bogotá"], [], True, "Bogota"),
        (" Washington, D.C.", ["Washington", "Washington, D.C"], [], True, "Washington, D.C"),
        (" Abu Dhabir.", ["Abu Dhabi"], [], False, "Abu Dhabir"),
        (" 1440", ["144"], [], False, "1440"),
        (" 144, not 44", ["44"], [], True, "44"),
        (" Osaka, not Lima", ["Lima"], ["Osaka"], False, "Osaka"),
        (" Lima, not Osaka", ["Lima"], ["Osaka"], True, "Lima"),
        (" New York City.", ["New York City"], ["New York"], True, "New York City"),
        ("", ["Lima"], [], False, ""),
        (" \n", ["Lima"], [], False, ""),
    ],
)
def test_what_is_right_and_where(text, reference, others, right, exact):
    found = locate(text, reference, others)
    assert (found.right, found.text) == (right, exact)
    assert text[found.start : found.end] == exact


@given(st.text(max_size=30), st.text(min_size=1, max_size=8))
def test_folding_keeps_every_position(text, answer):
    assert len(plain(text)) == len(text)
    span = find(text, answer)
    if span is not None:
        assert plain(text[span[0] : span[1]]) == plain(answer).strip()
    if answer.strip():
        found = locate(text, [answer])
        assert isinstance(found, Answer)
        assert found.right == (span is not None)


def test_a_reference_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="reference holds no answer"):
        locate("Lima", [" "])


def test_one_text_is_no_list_and_a_missing_answer_is_no_answer():
    for reference, others in (("Lima", []), (["Lima"], "Quito")):
        with pytest.raises(ValueError, match="reference and others are lists of spellings"):
            locate(" Lima.", reference, others)
    for missing in (None, float("nan")):
        with pytest.raises(ValueError, match=r"1 answers are missing \(first: 2\)"):
            graded([" Lima.", " nan None"], ["Lima", missing])
    for texts, references in ((["a"], ["a", "b"]), ("ab", ["a", "b"])):
        with pytest.raises(ValueError, match="needs an answer for each text"):
            graded(texts, references)
