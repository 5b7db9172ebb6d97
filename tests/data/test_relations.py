"""The relations as they come: enough pairs, no subject twice, questions that can be asked."""

from __future__ import annotations

from inscape.data.card import read_card
from inscape.data.load import SETS, load
from inscape.data.sets import relations


def test_every_relation_has_enough_pairs_and_no_subject_twice():
    e = load("relations")
    assert e.card == read_card(SETS / "relations.py")
    sizes = e.frame.groupby("relation").size()
    assert set(sizes.index) == set(relations.TEMPLATES)
    assert len(sizes) == 14
    assert sizes.min() >= 40
    assert not e.frame.duplicated(["relation", "subject"]).any()
    assert not e.frame.duplicated("text").any()
    assert (e.frame["object"].map(len) > 0).all()
    stripped = e.frame[["subject", "object"]].map(str.strip)
    assert stripped.equals(e.frame[["subject", "object"]])


def test_the_span_is_the_subject_and_ends_just_before_the_last_word():
    e = load("relations", limit=990)
    for row in range(0, len(e), 37):
        start, end = e.span(row)["subject"]
        assert e.texts()[row][start:end] == e.frame["subject"].iloc[row]
        assert e.texts()[row][end:] == " is"
    assert load("relations", limit=5).texts() == e.texts()[:5]
    assert str(e.frame.set_index("subject").loc["Japan", "object"].iloc[0]) == "Tokyo"
