"""The card of a measure: its range, which way is alike, and what it is invariant to, as facts that
a test can check.

A similarity means nothing without its invariances: two that disagree on one pair of representations
are often both right, and differ in what they ignore. `inscape.compare.check_measure` proves a card
on the function itself.

Reference: Klabunde et al. (2025), Similarity of neural network models: a survey, arXiv:2305.06329,
§2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Invariance = Literal["neurons", "rotation", "scale", "shift", "linear"]

#: each with the words for it, from the weakest on
INVARIANCES: dict[str, str] = {
    "neurons": "the order of the neurons",
    "rotation": "rotations",
    "scale": "one factor for all neurons",
    "shift": "shifts",
    "linear": "any invertible linear map",
}

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class MeasureCard:
    """What is claimed of a measure.

    Attributes:
        name: as it is written in tables.
        low: its least value.
        high: its largest value.
        invariant: maps of either side that change nothing, complete: any other of the five changes
            something.
        direction: ``"higher"`` where higher is more alike, ``"lower"`` for a distance.
        identity: its value for a representation and itself.
        symmetric: whether the sides may be exchanged.
        unrelated: its mean for unrelated representations at any n and width, where that is one
            number.
    """

    name: str
    low: float
    high: float
    invariant: frozenset[str]
    direction: Literal["higher", "lower"] = "higher"
    identity: float = 1.0
    symmetric: bool = True
    unrelated: float | None = None

    def __post_init__(self) -> None:
        if unknown := self.invariant - INVARIANCES.keys():
            raise ValueError(
                f"MeasureCard: {self.name} is said to be invariant to "
                f"{', '.join(sorted(unknown))}; "
                f"the choices are {', '.join(INVARIANCES)}"
            )

    @property
    def ignores(self) -> str:
        """What it is invariant to, in words."""
        held = self.invariant - ({"rotation", "neurons"} if "linear" in self.invariant else set())
        held -= {"neurons"} if "rotation" in held else set()
        return ", ".join(words for name, words in INVARIANCES.items() if name in held) or "nothing"


def measures_as(card: MeasureCard) -> Callable[[F], F]:
    """Give a function its card: ``linear_cka.card``."""

    def give(function: F) -> F:
        function.card = card  # type: ignore[attr-defined]
        return function

    return give


def card_of(measure: Callable[..., Any]) -> MeasureCard:
    """The card of a measure.

    Raises:
        ValueError: it has none.
    """
    card = getattr(measure, "card", None)
    if not isinstance(card, MeasureCard):
        name = getattr(measure, "__name__", repr(measure))
        raise ValueError(
            f"{name} has no card; give it one with @measures_as(MeasureCard(…)), or pass card=…"
        )
    return card
