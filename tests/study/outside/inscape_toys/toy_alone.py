"""A toy study named by its own entry point, without model or data."""

from __future__ import annotations

from dataclasses import dataclass

from inscape.study.card import Card, Claim
from inscape.study.run import Run

CARD = Card(
    slug="toy-alone",
    title="Nothing at All",
    authors="Nobody",
    year=2000,
    arxiv="https://example.org/nothing",
    room="toys",
    claim="Nothing is claimed.",
    reproduced="Nothing.",
    controls="none",
    claims=dict(nothing=Claim(text="Nothing", at_most=0)),
    tiny=dict(nothing="any"),
)


@dataclass(frozen=True)
class Config:
    """One setting."""

    folds: int = 5
    seed: int = 7


PRESETS = {"tiny": Config()}


def run(config: Config, run: Run) -> None:
    """Say the seed."""
    run.answer(f"The seed is {run.seed}.")
