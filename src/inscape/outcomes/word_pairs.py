"""Word pairs: how much rather a model goes on with words that have a concept than with those that
have not.

    score(text, concept) = mean over the concept's pairs of logit(second) − logit(first), after the text

Only pairs count whose words are one token each (a space before), and two different ones: the model
can say them at once.

Reference: Park, Choe and Veitch (2023), arXiv:2311.03658, §4, for log-odds of counterfactual pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from inscape.core.errors import DataError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.passes import passes


@dataclass(frozen=True, eq=False)
class WordPairs:
    """Concepts as pairs of tokens.

    Attributes:
        concepts: their names, in the data's order.
        concept: of each pair, the number of its concept, (n,).
        tokens: of each pair, the first and the second word's token, (n, 2).
        rows: of each pair, its row in the data, (n,).
    """

    concepts: tuple[str, ...]
    concept: Int[np.ndarray, " n"]
    tokens: Int[np.ndarray, "n 2"]
    rows: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, model: Model, examples: Examples, least: int = 8) -> WordPairs:
        """The pairs of a table with columns concept, first and second that the model has as single
        tokens.

        Args:
            model: its tokenizer is asked.
            examples: the table.
            least: pairs that a concept must have left, or it is left out.

        Raises:
            DataError: fewer than two concepts are left.
        """
        frame, read = examples.frame, model.tokenizer
        ids = [
            [read(f" {word}", add_special_tokens=False)["input_ids"] for word in pair]
            for pair in zip(frame["first"], frame["second"], strict=True)
        ]
        names = frame["concept"].astype(str).to_numpy()
        single = np.array([len(a) == len(b) == 1 and a != b for a, b in ids])
        kept = [c for c in dict.fromkeys(names) if (single & (names == c)).sum() >= least]
        if len(kept) < 2:
            raise DataError(
                f"{model.name} has single tokens for both words of {least} pairs in {len(kept)} "
                "concepts; two are needed: give more pairs of short words."
            )
        rows = np.flatnonzero(single & np.isin(names, kept))
        number = np.array([kept.index(names[i]) for i in rows])
        tokens = np.array([[ids[i][0][0], ids[i][1][0]] for i in rows])
        return cls(tuple(kept), number, tokens, rows)

    def take(self, which: Int[np.ndarray, " m"]) -> WordPairs:
        """Some of the pairs, of the same concepts."""
        return WordPairs(self.concepts, self.concept[which], self.tokens[which], self.rows[which])

    def random(self, words: int, rng: np.random.Generator) -> WordPairs:
        """As many pairs of random tokens in the place of each concept's.

        Args:
            words: the size of the vocabulary.
            rng: the generator.
        """
        first = rng.integers(words, size=len(self.rows))
        second = (first + rng.integers(1, words, size=len(self.rows))) % words
        return WordPairs(self.concepts, self.concept, np.stack([first, second], axis=1), self.rows)

    def by_concept(self, values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "concepts ..."]:
        """The mean over each concept's pairs."""
        return np.stack([values[self.concept == c].mean(axis=0) for c in range(len(self.concepts))])

    def differences(self, vectors: Float[np.ndarray, "words ..."]) -> Float[np.ndarray, "n ..."]:
        """Of each pair, the second word's vector less the first's."""
        return vectors[self.tokens[:, 1]] - vectors[self.tokens[:, 0]]

    def directions(
        self, vectors: Float[np.ndarray, "words ..."]
    ) -> Float[np.ndarray, "concepts ..."]:
        """Of each concept, the mean difference of its pairs' vectors."""
        return self.by_concept(self.differences(vectors))

    def log_odds(
        self, model: Model, examples: Examples, edits: Any = None
    ) -> Float[np.ndarray, "concepts n"]:
        """The score of every concept after every text, under edits."""
        out = np.empty((len(self.concepts), len(examples)))
        for step in passes(model, examples, logits=True, edits=edits or ()):
            assert step.activations.logits is not None
            logits = step.activations.logits[:, 0].double().cpu().numpy()
            out[:, step.rows] = self.by_concept(self.differences(logits.T))
        return out
