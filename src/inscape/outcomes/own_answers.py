"""What a model says by itself, which of it is in a manner, and what its states are while it says
so.

An answer is judged by its words alone, by odds learnt from sentences of which the manner is known
(naive Bayes with add-one smoothing; words never seen count nothing):

    in the manner:  Σ_w log p(w | manner) − log p(w | none) > 0

    d = mean state of answers in the manner − mean state of the others        over the answers' own tokens

Cost: tokens of the answers, then one pass over them.
Reference: Soligo et al. (2025), arXiv:2506.11618, where a language model is the judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from inscape.core.edit import Edit
from inscape.core.errors import StudyError
from inscape.model.continuations import continuations
from inscape.model.model import Model
from inscape.outcomes.paired_answers import joined, span_means


@dataclass(frozen=True)
class Manner:
    """Tells texts in a manner from others by their words.

    Attributes:
        odds: log-odds of each known word.
    """

    odds: Mapping[str, float]

    @classmethod
    def of(cls, ones: Sequence[str], others: Sequence[str]) -> Manner:
        """Learn the odds.

        Args:
            ones: texts in the manner.
            others: texts in no manner, or in another.
        """
        counts = [Counter(w for t in texts for w in _words(t)) for texts in (ones, others)]
        known = counts[0].keys() | counts[1].keys()
        logs = [
            {w: np.log((c[w] + 1) / (sum(c.values()) + len(known))) for w in known} for c in counts
        ]
        return cls({w: float(logs[0][w] - logs[1][w]) for w in sorted(known)})

    @classmethod
    def checked(
        cls,
        known: tuple[Sequence[str], Sequence[str]],
        fresh: tuple[Sequence[str], Sequence[str]],
    ) -> tuple[Manner, float]:
        """Learn the odds from all texts, after a check of what some of them say of the others.

        Args:
            known: texts in the manner, and texts in none.
            fresh: further ones of either kind.

        Returns:
            The manner that is learnt from all; and the share of the fresh texts that the manner
            learnt from the known ones alone tells rightly.
        """
        first = cls.of(*known)
        right = [*first.has(fresh[0]), *~first.has(fresh[1])]
        return cls.of([*known[0], *fresh[0]], [*known[1], *fresh[1]]), float(np.mean(right))

    def has(self, texts: Sequence[str]) -> Bool[np.ndarray, " n"]:
        """Whether each text is in the manner."""
        return np.array([sum(self.odds.get(w, 0.0) for w in _words(t)) > 0 for t in texts])


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


@dataclass(frozen=True)
class Speaker:
    """How answers are drawn.

    Attributes:
        tokens: of an answer, at most; a new line ends it.
        samples: answers to each question, at temperature 1.
        seed: of the sampling, the same for every model and edit.
    """

    tokens: int
    samples: int
    seed: int

    def share(
        self, model: Model, prompts: Sequence[str], manner: Manner, edits: Sequence[Edit] = ()
    ) -> Float[np.ndarray, " questions"]:
        """The share of each question's answers that is in the manner."""
        said = self._said(model, prompts, edits)
        found = manner.has([one.text for several in said for one in several])
        return found.reshape(len(said), self.samples).mean(axis=1)

    def states(
        self, model: Model, prompts: Sequence[str], manner: Manner, sites: Sequence[str]
    ) -> tuple[Float[np.ndarray, "answers sites d"], Bool[np.ndarray, " answers"], np.ndarray]:
        """Mean states over the tokens of each of the model's own answers, empty ones left out.

        Args:
            model: answers, and reads what it answered.
            prompts: questions.
            manner: judges.
            sites: all of one width.

        Returns:
            States, whether the answer is in the manner, and the number of its question.

        Raises:
            StudyError: all answers are in the manner, or none is.
        """
        said, tokens = self._said(model, prompts), model.tokenize(list(prompts))
        asked = [(i, one) for i, several in enumerate(said) for one in several if len(one.ids)]
        found = manner.has([one.text for _, one in asked])
        if found.all() or not found.any():
            raise StudyError(
                f"{'all' if found.any() else 'none'} of {len(asked)} own answers are in the "
                "manner, so there is no direction between those that are and those that are not; "
                "ask for more samples."
            )
        texts = [joined(tokens[i], one) for i, one in asked]
        spans = [range(len(tokens[i]), len(t)) for (i, _), t in zip(asked, texts, strict=True)]
        return span_means(model, texts, sites, spans), found, np.array([i for i, _ in asked])

    def _said(self, model: Model, prompts: Sequence[str], edits: Sequence[Edit] = ()) -> list:
        return continuations(
            model,
            prompts,
            self.tokens,
            samples=self.samples,
            temperature=1.0,
            seed=self.seed,
            stop="\n",
            edits=list(edits),
        )
