"""Linked questions: twelve questions about a person, their answers, and which answer of one implies
which of another.

After the idea of pairs of prompts whose answers are tied (the city one lives in, and its country)
of Peng et al. 2025, "Linear Correlation in LM's Compositional Generalization and Hallucination",
arXiv:2502.04520; questions, answers and links are Inscape's own.
"""

from __future__ import annotations

from pathlib import Path

from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.data.files import read_table

CARD = DatasetCard(
    name="linked-questions",
    what="12 questions about a person (city, country, language, continent; month, season; "
    "profession, workplace; fruit, its "
    "color; chief executive, company) with 4 to 68 answers each, a row for each answer, and the "
    "answers that it implies.",
    source="written by Inscape",
    licence="Apache-2.0",
    citation="L. Peng et al. (2025), Linear Correlation in LM's Compositional Generalization and "
    "Hallucination, arXiv:2502.04520 (the idea)",
    get="comes with Inscape",
    group="question: its answers share a template.",
    beware="Countries with several languages have the one that most speak; seasons are those of "
    "the northern half; chief executives are first names, some of them retired or dead.",
    columns={
        "text": "question and answer, with X for the person",
        "question": "name of the question",
        "template": "the question with {} for the person",
        "answer": "the answer",
        "links": "what it implies, as question=answer, parted by semicolons",
    },
)


def load(limit: int | None = None) -> Examples:
    """The answers, question by question.

    Args:
        limit: only the first so many.

    Returns:
        Examples with label answer, group question.
    """
    frame = read_table(Path(__file__).parent / "linked_questions.csv", raw="answer")
    frame["links"] = frame["links"].fillna("")
    frame["text"] = [
        f"{t.format('X')} {a}" for t, a in zip(frame["template"], frame["answer"], strict=True)
    ]
    return Examples(frame.iloc[:limit], "text", ("answer",), "question", card=CARD)
