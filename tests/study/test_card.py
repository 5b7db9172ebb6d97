"""A card holds what a reader needs, and importing it costs nothing."""

import subprocess
import sys

import pytest

from inscape.study.card import Card

FACTS = {
    "slug": "a-study",
    "title": "T",
    "authors": "A",
    "year": 2001,
    "arxiv": "2310.02207",
    "room": "read",
    "claim": "c",
    "reproduced": "r",
    "controls": "none",
    "bar": "b",
}


def test_a_card_is_frozen_data():
    card = Card(**FACTS)
    assert card.to_dict() == {
        **FACTS,
        "group_note": "",
        "negative": "",
        "minutes": {},
        "figure": "",
    }
    assert card.link == "https://arxiv.org/abs/2310.02207"
    assert Card(**{**FACTS, "arxiv": "https://example.org/x"}).link == "https://example.org/x"
    assert hash(card) == hash(Card(**FACTS))
    with pytest.raises(AttributeError):
        card.slug = "other"


def test_an_empty_card_is_refused():
    with pytest.raises(ValueError, match="Card: bar is empty; every card says its bar"):
        Card(**{**FACTS, "bar": " "})


def test_cards_and_discovery_import_nothing_heavy():
    code = "import sys, inscape.study.discover; print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
