"""The word pairs as they come: enough of each concept, none twice, no word with itself."""

from inscape.data.card import read_card
from inscape.data.load import SETS, load


def test_pairs_are_whole():
    e = load("word-pairs")
    assert e.card == read_card(SETS / "word_pairs.py")
    assert str(len(e)) in e.card.what
    sizes = e.frame.groupby("concept").size()
    assert len(sizes) == 14
    assert sizes.min() >= 30
    assert not e.frame.duplicated(["concept", "first"]).any()
    assert (e.frame["first"] != e.frame["second"]).all()
    words = e.frame[["first", "second"]]
    assert words.equals(words.map(str.strip))
    assert (words.map(len) > 0).all().all()
    assert e.group == "first"
    assert load("word-pairs", limit=5).texts() == e.texts()[:5]
