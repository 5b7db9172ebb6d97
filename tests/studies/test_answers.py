"""What a card's answer names is a claim of the card or a fact that the study gives."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter

import pytest

import inscape.studies
from inscape.study.discover import cards

ROOT = Path(inscape.studies.__file__).parent


def given(slug: str, room: str) -> set[str]:
    """Names that a study's files pass to ``run.facts``; the model's name, where they open one."""
    place = ROOT / room / slug.replace("-", "_")
    files = [place.with_suffix(".py")] if place.with_suffix(".py").is_file() else place.glob("*.py")
    names = set()
    for file in files:
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call):
                called = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if called == "facts":
                    names |= {k.arg for k in call.keywords}
                if called == "opened":
                    names.add("model")
    return names


def test_the_facts_of_a_study_are_found():
    assert given("caution-direction", "control") >= {"model", "where"}
    assert "model" not in given("vne", "learn")


@pytest.mark.parametrize("card", cards().values(), ids=lambda card: card.slug)
def test_an_answer_names_claims_and_facts(card):
    fields = {f for _, f, _, _ in Formatter().parse(card.answer) if f}
    named = {f.split(".")[0] for f in fields}
    assert named <= set(card.claims) | (given(card.slug, card.room) if named else set())
