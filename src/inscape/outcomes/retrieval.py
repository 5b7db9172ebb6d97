"""Retrieval: which document is found first for half of the words of one of its sentences?

    sentences → documents of p sentences each;   query: every other word, at random, of one sentence
    hybrid: (1 − λ) dense / σ(dense) + λ sparse / σ(sparse),   λ by recall on training documents

Cost: what the scores cost. Reference: Luan, Eisenstein, Toutanova and Collins (2021),
arXiv:2005.00181, sections 5 to 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inscape.data.examples import Examples
from inscape.read.bm25 import Bm25

#: queries (q, d) and documents (n, parts, d) → scores (q, n)
Scorer = Callable[[Tensor, Tensor], Tensor]
#: the name of the sparse score
SPARSE = "BM25"


def sentences(data: Examples, limit: int, least: int = 6, most: int = 30) -> Examples:
    """The distinct sentences of texts, in order, in the column ``sentence``, with their groups.

    Args:
        data: texts, with a group.
        limit: sentences at most.
        least: words of a sentence; shorter ones are left out.
        most: words of a sentence; longer ones are left out.

    Raises:
        ValueError: a limit below 1, or lengths that fall.
    """
    if limit < 1 or not 1 <= least <= most:
        raise ValueError(
            f"sentences: limit must be at least 1 and 1 ≤ least ≤ most, got {limit}, {least} and "
            f"{most}"
        )

    def of(text: str) -> list[str]:
        parts = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
        return [s for s in parts if least <= len(s.split()) <= most]

    frame = data.frame.assign(sentence=[of(text) for text in data.texts()])
    frame = frame.explode("sentence").dropna(subset="sentence").drop_duplicates("sentence")
    kept = frame.iloc[:limit].reset_index(drop=True)
    return Examples(kept, "sentence", (), data.group)


def half_of_words(texts: Sequence[str], *, rng: np.random.Generator) -> list[str]:
    """Half of the words of each text, in order; of an odd number the smaller half.

    Args:
        texts: of two words or more.
        rng: draws the words.

    Raises:
        ValueError: a text of fewer than two words, of which half is none; one text in place of a
            list.
    """
    if isinstance(texts, str):
        raise ValueError("half_of_words: texts is a list; give [text]")
    if short := [i for i, text in enumerate(texts) if len(text.split()) < 2]:
        raise ValueError(
            f"half_of_words: {len(short)} texts have fewer than two words (first: {short[0] + 1}); "
            "leave them out"
        )
    return [
        " ".join(w for w, keep in zip(words, rng.permutation(len(words)) % 2, strict=True) if keep)
        for words in map(str.split, texts)
    ]


@dataclass(frozen=True, eq=False)
class Sentences:
    """Sentences and the states that stand for them.

    Attributes:
        texts: the sentences.
        halves: half of the words of each.
        states: of the sentences, (n, d).
        asked: of the halves, (n, d).
    """

    texts: Sequence[str]
    halves: Sequence[str]
    states: Float[Tensor, "n d"]
    asked: Float[Tensor, "n d"]

    def __len__(self) -> int:
        return len(self.texts)

    def taken(self, rows: Int[np.ndarray, " m"]) -> Sentences:
        """Some of them, in this order."""
        texts, halves = ([own[i] for i in rows] for own in (self.texts, self.halves))
        return Sentences(texts, halves, self.states[rows], self.asked[rows])

    def documents(
        self, n: int, parts: int, *, rng: np.random.Generator
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n parts d"]]:
        """Random documents, no sentence in two of them, and half of one sentence of each to ask by.

        Args:
            n: documents.
            parts: sentences of each.
            rng: of sentences, and of the one that is asked by.

        Returns:
            States of the halves, and states of the documents' sentences.

        Raises:
            ValueError: more documents than there are sentences for.
        """
        if n < 1 or n * parts > len(self):
            raise ValueError(
                f"documents: {n} documents of {parts} sentences cannot be made of {len(self)}"
            )
        rows = rng.permutation(len(self))[: n * parts].reshape(n, parts)
        chosen = rows[np.arange(n), rng.integers(parts, size=n)]
        return self.asked[chosen], self.states[rows]

    def split(self, held: Bool[np.ndarray, " n"]) -> tuple[Sentences, Sentences]:
        """Those to train on and those held out; states have mean 0 and deviation 1 over the
        training sentences.
        """
        known = self.states[torch.from_numpy(~held)].double().numpy()
        mean, spread = known.mean(axis=0), known.std(axis=0).clip(1e-9)
        scaled = (
            torch.from_numpy((x.double().numpy() - mean) / spread).float()
            for x in (self.states, self.asked)
        )
        every = Sentences(self.texts, self.halves, *scaled)
        return every.taken(np.flatnonzero(~held)), every.taken(np.flatnonzero(held))


@dataclass(frozen=True, eq=False)
class Retrieval:
    """Scores of all documents for all queries.

    Attributes:
        truth: the document that each query is from, (q,).
        scores: name → the score of every document for every query, (q, n).
    """

    truth: Int[np.ndarray, " q"]
    scores: Mapping[str, Float[np.ndarray, "q n"]]

    def first(self, scores: Float[np.ndarray, "q n"]) -> Float[np.ndarray, " q"]:
        """Whether the document of each query scores highest, 0 or 1."""
        return (scores.argmax(axis=1) == self.truth).astype(float)

    def mixed(self, one: str, other: str, weight: float) -> Float[np.ndarray, "q n"]:
        """Two scores added, each over its own deviation.

        Args:
            one: weighs 1 − `weight`.
            other: weighs `weight`.
            weight: from 0 to 1.
        """
        first, second = (s / s.std() for s in (self.scores[one], self.scores[other]))
        return (1 - weight) * first + weight * second

    def best_weight(self, one: str, other: str, steps: int = 21) -> float:
        """The weight from 0 to 1 at which most documents are found first; the least of several."""
        weights = np.linspace(0, 1, steps)
        return float(max(weights, key=lambda w: self.first(self.mixed(one, other, w)).mean()))


@torch.no_grad()
def retrieval(
    own: Sentences, parts: int, nets: Mapping[str, Scorer], *, rng: np.random.Generator
) -> Retrieval:
    """Deal sentences into documents, and score every document for the half of each sentence.

    Args:
        own: the sentences; those beyond whole documents are left out.
        parts: sentences of a document.
        nets: name → the scorer, a network.
        rng: deals the sentences.

    Returns:
        The scores of the networks, and those of BM25 under `SPARSE`.
    """
    n = len(own) // parts
    dealt = own.taken(rng.permutation(len(own))[: n * parts])
    documents = [" ".join(row) for row in np.array(dealt.texts, dtype=object).reshape(n, parts)]
    states = dealt.states.reshape(n, parts, -1)
    scores = {name: net(dealt.asked, states).double().numpy() for name, net in nets.items()}
    sparse = Bm25(documents).scores(dealt.halves)
    return Retrieval(np.repeat(np.arange(n), parts), {**scores, SPARSE: sparse})
