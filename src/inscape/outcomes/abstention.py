"""Abstention: does a model answer rightly, wrongly, or say that it does not know?

An answer abstains if one of the words for not knowing occurs in it as whole words; else it is right or wrong as
`inscape.data.answers.locate` finds; one without letters or digits is none of the three. What a model greedily says can be
asked under edits that give each question's last token a row of its own: steering that is told what to do with each.

Cost: continuations of the questions.
Reference: Yang et al. (2025), arXiv:2510.02324, for counting confident wrong answers beside accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from inscape.core.edit import Add, Edit, Scope
from inscape.data.answers import find, graded
from inscape.data.examples import Examples
from inscape.model.continuations import continuations
from inscape.model.model import Model

#: rows of what `Judge` gives
SAID = ("right", "wrong", "abstains")
RIGHT, WRONG, ABSTAINS = range(3)


@dataclass(frozen=True)
class Judge:
    """How answers are made and told apart.

    Attributes:
        abstain: words for not knowing.
        tokens: of an answer at most.
        stop: characters that end one.
    """

    abstain: tuple[str, ...]
    tokens: int
    stop: str

    def said(self, questions: Examples, texts: Sequence[str]) -> Bool[np.ndarray, "3 n"]:
        """Which of `SAID` each text is.

        Args:
            questions: with the column ``answers``, spellings separated by ``|``.
            texts: one answer each.
        """
        abstains = np.array(
            [any(find(text, word) for word in self.abstain) for text in texts], dtype=bool
        )
        right = graded(texts, questions.frame["answers"]) & ~abstains
        words = np.array([any(c.isalnum() for c in text) for text in texts], dtype=bool)
        return np.stack([right, words & ~right & ~abstains, abstains])

    def ask(
        self,
        model: Model,
        questions: Examples,
        edits: Callable[[np.ndarray], list[Edit]] | None = None,
    ) -> Bool[np.ndarray, "3 n"]:
        """What the model greedily says to each question, under edits made for the questions of a batch."""
        made = continuations(
            model, questions.texts(), self.tokens, stop=self.stop, edits=edits or ()
        )
        return self.said(questions, [m[0].text for m in made])


def shifted(site: str, rows: Float[np.ndarray, "n d"]) -> Callable[[np.ndarray], list[Edit]]:
    """Edits that add its own row to the last token of each question, for `Judge.ask`."""
    added = torch.from_numpy(rows.astype(np.float32))[:, None]
    return lambda batch: [Add(Scope(site, "last"), added[torch.from_numpy(batch)])]


def balanced(said: Bool[np.ndarray, "3 n"], unknown: Bool[np.ndarray, " n"]) -> float:
    """Share of unknown questions abstained from and share of known ones answered rightly, the mean of the two."""
    parts = [
        said[k][rows].mean() for k, rows in ((ABSTAINS, unknown), (RIGHT, ~unknown)) if rows.any()
    ]
    return float(np.mean(parts)) if parts else 0.0
