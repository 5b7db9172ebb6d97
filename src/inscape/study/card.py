"""The card of a study: which paper it reproduces, what is claimed, what is shown here and against
which controls.

A study file holds ``CARD = Card(slug="…", …)`` with keyword arguments that are plain literals, and
``Claim(…)`` for each claim, so that the card can be read from the source text by `ast` alone:
listing a hundred studies imports none of them.
Cost: parsing the file.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from inscape.core.typeset import number_as_set


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a study must show: a sentence and the criterion that was set for it before the run.

    Attributes:
        text: what is claimed, as a sentence.
        at_least: the value from which on the claim holds.
        at_most: the value up to which the claim holds; with `at_least`, both ends of a range.
        null: the null distribution that the claim is tested against, by name; empty where the
            criterion alone decides.
        over: the competitor of a paired difference, by name, where the interval above zero is the
            test.
        exact: why the value is a deterministic fact that has no interval; empty for a measurement.
        sanity: a check of a control, listed apart and never counted among the claims.
        weaker: in what the claim is weaker than the paper's; empty where it is the paper's own.
        why: why the criterion is where it is.
    """

    text: str
    at_least: int | float | None = None
    at_most: int | float | None = None
    null: str = ""
    over: str = ""
    exact: str = ""
    sanity: bool = False
    weaker: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        if not str(self.text).strip():
            raise ValueError("Claim: text is empty; a claim says what is claimed")
        ends = [x for x in (self.at_least, self.at_most) if x is not None]
        if not ends:
            raise ValueError(f"Claim {self.text!r}: give at_least or at_most, its criterion")
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in ends):
            raise ValueError(
                f"Claim {self.text!r}: a criterion must be a finite number, got {ends}"
            )
        if ends != sorted(ends):
            raise ValueError(f"Claim {self.text!r}: at_least {ends[0]} is above at_most {ends[1]}")

    def margin(self, value: int | float) -> float:
        """How far the value is on the right side of the criterion; negative on the wrong side."""
        low = math.inf if self.at_least is None else value - self.at_least
        high = math.inf if self.at_most is None else self.at_most - value
        return min(low, high)

    @property
    def criterion(self) -> str:
        """The criterion in words."""
        low, high = (None if x is None else number_as_set(x) for x in (self.at_least, self.at_most))
        if low is not None and high is not None:
            return f"between {low} and {high}"
        return f"at least {low}" if low is not None else f"at most {high}"


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a reader needs before running a study.

    Attributes:
        slug: the name typed at the command line, words joined by hyphens.
        title: title of the paper.
        authors: authors as they are cited (``"Gurnee and Tegmark"``).
        year: year of the paper.
        arxiv: arXiv id (``"2310.02207"``), or another permanent reference.
        room: the room of the library it belongs to (``"read"``, ``"control"`` …).
        claim: what the paper claims, in one or two sentences.
        reproduced: what is done here, on which model and data.
        controls: the nulls and baselines shown beside every number.
        group_note: what a group is in the splits, or why there is none.
        negative: what does not reproduce here and why, where that is known.
        minutes: expected minutes of each preset on two cores.
        figure: the figure on the report's first screen and in a gallery; the first one if none is
            named.
        headline: the claim whose number stands for the study in a table of results; the first one
            if none is named.
        claims: what the study must show, by id, each with its criterion.
        answer: the answer as a template over the claims and the facts that a run gives:
            ``"{fall:.0%} of the errors of {model} go"``; ``"{fall.verdict}"`` is a verdict, and
            ``"{fall:most go|some may go|few go}"`` are words by the verdict.
        differs: what differs from the authors' own code, in a line.
        tiny: the verdict that the tiny preset must give each claim, on any processor; "any" where a
            toy so small decides nothing.
        seeds: how many fixed seeds (0, 1, …) the claims are judged over; three where a network is
            trained on the spot.
    """

    slug: str
    title: str
    authors: str
    year: int
    arxiv: str
    room: str
    claim: str
    reproduced: str
    controls: str | tuple[str, ...]
    group_note: str = ""
    negative: str = ""
    minutes: dict[str, float | int] = field(default_factory=dict, hash=False)
    figure: str = ""
    headline: str = ""
    claims: dict[str, Claim] = field(default_factory=dict, hash=False)
    answer: str = ""
    differs: str = ""
    tiny: dict[str, str] = field(default_factory=dict, hash=False)
    seeds: int = 1

    def __post_init__(self) -> None:
        for name in ("slug", "title", "room", "claim", "reproduced"):
            if not str(getattr(self, name)).strip():
                raise ValueError(f"Card: {name} is empty; every card says its {name}")
        if not self.claims:
            raise ValueError("Card: claims is empty; a study says what it must show")
        if self.tiny.keys() != self.claims.keys():
            odd = ", ".join(sorted(self.tiny.keys() ^ self.claims.keys()))
            raise ValueError(f"Card: tiny must hold one verdict for each claim; look at {odd}")
        if self.headline and self.headline not in self.claims:
            raise ValueError(
                f"Card: headline names the claim {self.headline!r}, which the card does not have; "
                f"it has {', '.join(self.claims)}"
            )
        for id, claim in self.claims.items():
            if not isinstance(claim, Claim):
                raise ValueError(
                    f"Card: the claim {id!r} must be written Claim(text=…, at_least=…)"
                )
            tested = claim.null or claim.over or claim.exact or claim.sanity
            if claim.at_most is None and (claim.at_least or 0) <= 0 and not tested:
                raise ValueError(
                    f"Card: the claim {id!r} begins at {claim.at_least:g}, so it needs the null or "
                    "the competitor that it is tested against (null=…, over=…)"
                )

    @property
    def link(self) -> str:
        """Where the paper is: the arXiv page for an arXiv id, else `arxiv` as it stands."""
        plain = self.arxiv.removeprefix("arXiv:")
        return f"https://arxiv.org/abs/{plain}" if plain[:4].isdigit() else self.arxiv

    def to_dict(self) -> dict[str, Any]:
        """The card as JSON holds it."""
        return asdict(self)
