"""Answers: is what a model said right, and where in its words does the answer stand?

A reference is one answer in several spellings. A text is right if one of them occurs in it as whole
words, whatever the case and the accents, before any other answer does where the others are known.
The exact answer is the span of those words; where the text is wrong, it is what stands where an
answer was due: the first of the known answers that occurs, or else the words up to the first stop.

Cost: linear in the text and the number of known answers.
Reference: the exact-answer token of Orgad et al. (2024), arXiv:2410.02707, §3.2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

#: where an answer that is none of the known ones is taken to end
STOPS = ".,;:!?()\n"


@dataclass(frozen=True)
class Answer:
    """What was found in a text.

    Attributes:
        right: whether the reference was said first.
        start, end: the exact answer's characters in the text, half-open; empty at 0 where the text
            says nothing.
        text: those characters.
    """

    right: bool
    start: int
    end: int
    text: str


def plain(text: str) -> str:
    """Lower case without accents, letter for letter: the result is as long as the text.

    Example:
        >>> plain("Bogotá, İzmir")
        'bogota, izmir'
    """
    out = []
    for letter in text:
        base = unicodedata.normalize("NFKD", letter)[0].lower()
        out.append(base[0] if base else letter)
    return "".join(out)


def find(text: str, answer: str) -> tuple[int, int] | None:
    """Where an answer occurs first in a text as whole words, or None; numbers match whole numbers
    only.

    Example:
        >>> find("It is 144, not 44.", "44"), find("Abu Dhabir", "Abu Dhabi")
        ((15, 17), None)
    """
    words = plain(answer).strip()
    if not words:
        return None
    match = re.search(rf"(?<![\w]){re.escape(words)}(?![\w])", plain(text))
    return None if match is None else match.span()


def locate(text: str, reference: Sequence[str], others: Sequence[str] = ()) -> Answer:
    """Grade a text and find its exact answer.

    Args:
        text: what the model said after the question.
        reference: spellings of the right answer.
        others: wrong answers that are known (the other city of a comparison); what is said first
            counts.

    Returns:
        The answer.

    Raises:
        ValueError: no reference was given, or one text in place of a list.

    Example:
        >>> locate(" Lima, the largest city.", ["Lima"]).text, locate(" in New York.", ["Lima"]).text
        ('Lima', 'in New York')
    """
    if isinstance(reference, str) or isinstance(others, str):
        raise ValueError("locate: reference and others are lists of spellings; give [text]")
    if not any(r.strip() for r in reference):
        raise ValueError("locate: reference holds no answer; give at least one spelling")
    found = [(*span, True) for r in reference if (span := find(text, r)) is not None]
    found += [(*span, False) for other in others if (span := find(text, other)) is not None]
    if found:
        # the longest of those that start first: a name may begin with another one
        start, end, right = min(found, key=lambda f: (f[0], -f[1]))
        return Answer(right, start, end, text[start:end])
    start = len(text) - len(text.lstrip())
    end = next((i for i in range(start, len(text)) if text[i] in STOPS and i > start), len(text))
    end = start + len(text[start:end].rstrip())
    return Answer(False, start, end, text[start:end])


def graded(texts: Sequence[str], references: Iterable[object]) -> Bool[np.ndarray, " n"]:
    """Which texts are right.

    Args:
        texts: what was said, one a question.
        references: the right answer of each, spellings separated by ``|``.

    Raises:
        ValueError: not one answer for each text, a missing one, or one text in place of a list.

    Example:
        >>> graded([" Lima.", " Quito."], ["Lima|Ciudad de los Reyes", "Bogotá|Bogota"]).tolist()
        [True, False]
    """
    wanted = list(references)
    if isinstance(texts, str) or len(texts) != len(wanted):
        raise ValueError(
            f"graded: needs an answer for each text, got {len(wanted)} for {len(texts)}; give lists"
        )
    if missing := [i for i, r in enumerate(wanted) if r is None or r != r]:
        raise ValueError(
            f"graded: {len(missing)} answers are missing (first: {missing[0] + 1}); leave those "
            "questions out"
        )
    pairs = zip(texts, wanted, strict=True)
    return np.array([locate(t, str(r).split("|")).right for t, r in pairs], dtype=bool)
