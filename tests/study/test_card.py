"""A card holds what a reader needs, and importing it costs nothing."""

import subprocess
import sys
from dataclasses import asdict

import pytest

from inscape.study.card import Card, Claim

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
}
ONE = {"claims": {"gain": Claim(text="t", at_least=1)}, "tiny": {"gain": "supported"}}


def test_a_card_is_frozen_data():
    card = Card(**FACTS, **ONE)
    assert card.to_dict() == {
        **FACTS,
        "group_note": "",
        "negative": "",
        "minutes": {},
        "figure": "",
        "headline": "",
        "claims": {"gain": asdict(ONE["claims"]["gain"])},
        "answer": "",
        "differs": "",
        "tiny": ONE["tiny"],
        "seeds": 1,
    }
    assert card.link == "https://arxiv.org/abs/2310.02207"
    assert (
        Card(**{**FACTS, **ONE, "arxiv": "https://example.org/x"}).link == "https://example.org/x"
    )
    assert hash(card) == hash(Card(**FACTS, **ONE))
    with pytest.raises(AttributeError):
        card.slug = "other"


def test_an_empty_card_is_refused():
    with pytest.raises(ValueError, match="Card: title is empty; every card says its title"):
        Card(**{**FACTS, **ONE, "title": " "})
    with pytest.raises(
        ValueError, match="headline names the claim 'loss', which the card does not"
    ):
        Card(**FACTS, **ONE, headline="loss")
    with pytest.raises(ValueError, match="Card: claims is empty; a study says what it must show"):
        Card(**FACTS)


def test_a_claim_has_a_criterion_that_can_be_missed():
    assert Claim(text="t", at_least=0.5).margin(0.4) == pytest.approx(-0.1)
    assert Claim(text="t", at_least=-1, at_most=1).margin(0.4) == pytest.approx(0.6)
    with pytest.raises(ValueError, match="give at_least or at_most, its criterion"):
        Claim(text="t")
    with pytest.raises(ValueError, match="text is empty"):
        Claim(text=" ", at_least=1)
    with pytest.raises(ValueError, match="must be a finite number"):
        Claim(text="t", at_least=float("nan"))
    with pytest.raises(ValueError, match="at_least 2 is above at_most 1"):
        Claim(text="t", at_least=2, at_most=1)
    with pytest.raises(ValueError, match="needs the null or the competitor"):
        Card(**FACTS, claims={"gain": Claim(text="t", at_least=0)}, tiny={"gain": "supported"})
    with pytest.raises(ValueError, match="tiny must hold one verdict for each claim; look at gain"):
        Card(**FACTS, claims={"gain": Claim(text="t", at_least=1)})
    fair = {"gain": Claim(text="t", at_least=0, over="letters")}
    assert Card(**FACTS, claims=fair, tiny={"gain": "any"}).claims


def test_cards_and_discovery_import_nothing_heavy():
    code = (
        "import sys, inscape.study.discover; print([m for m in ('torch', 'numpy', 'pandas') if "
        "m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
