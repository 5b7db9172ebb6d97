"""The neutral text."""

from inscape.data.neutral import DESCRIPTION


def test_the_neutral_text_is_long_and_names_no_feeling():
    words = set(DESCRIPTION.lower().replace(".", "").replace(",", "").split())
    assert len(DESCRIPTION.split()) >= 280
    assert not words & {"happy", "sad", "angry", "afraid", "i", "he", "she"}
