"""What stands in place of a study's card in the run folder of a question of one's own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from inscape.study.card import Claim


@dataclass(frozen=True)
class QuestionCard:
    """A question of one's own with its claims, in the shape that a run folder asks of a study.

    Attributes:
        title: the question.
        claims: what is judged, by id.
        slug: the command that asked it.
        code: its source; none is kept.
    """

    title: str
    claims: dict[str, Claim]
    slug: str
    code: str = ""

    @property
    def card(self) -> QuestionCard:
        """Itself: a run folder asks its study for a card."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it; ``kind`` tells a report that no paper is reproduced."""
        claims = {id: asdict(claim) for id, claim in self.claims.items()}
        return {"kind": "question", "title": self.title, "claims": claims}
