"""Questions answered greedily, and the same ones again and again: several samples of each, graded.

Cost: as many generations as samples.
Reference: Orgad et al. (2024), arXiv:2410.02707, §5 (kinds of error from repeated answers).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.generations import generations
from inscape.outcomes.questions import Answered, answered, exact_text


class Greedy(NamedTuple):
    """Greedy answers to questions.

    Attributes:
        asked: the answers; those with no words are left out.
        kept: share of the answered texts that the tokenizer cuts into the very tokens that were
            generated.
        silent: questions answered with no words.
    """

    asked: Answered
    kept: float
    silent: int


def answered_greedily(
    model: Model,
    questions: Examples,
    tokens: int,
    *,
    stop: str = "",
    advance: Callable[[int], None] | None = None,
) -> Greedy:
    """Answer every question once, greedily, and grade the answers.

    Args:
        model: answers.
        questions: as `inscape.outcomes.questions.answered` takes them.
        tokens: generated at most.
        stop: characters that end an answer.
        advance: told how many questions are done.
    """
    prompts = questions.texts()
    made = generations(model, prompts, tokens, stop=stop, advance=advance)
    asked = answered(questions, [first for first, *_ in made])
    return Greedy(asked, exact_text(model, asked, prompts), len(prompts) - len(asked))


class Again(NamedTuple):
    """Samples of some questions.

    Attributes:
        samples: the answers, question by question; those with no words are left out.
        of: for each sample the place of its question among those asked again.
    """

    samples: Answered
    of: Int[np.ndarray, " samples"]


def answered_again(
    model: Model,
    questions: Examples,
    rows: Int[np.ndarray, " n"],
    tokens: int,
    *,
    samples: int,
    **how: Any,
) -> Again:
    """Answer some questions several times.

    Args:
        model: answers.
        questions: as `inscape.outcomes.questions.answered` takes them.
        rows: those that are asked, in rising order.
        tokens: generated at most.
        samples: of each.
        how: ``temperature``, ``seed``, ``stop`` and ``advance``, as
            `inscape.outcomes.generations.generations` takes them.
    """
    texts = questions.texts()
    made = generations(model, [texts[i] for i in rows], tokens, samples=samples, **how)
    several = answered(questions, [c for each in made for c in each], np.repeat(rows, samples))
    return Again(several, np.searchsorted(rows, several.rows))
