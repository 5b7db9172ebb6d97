"""Word classes: an endless text of a probabilistic grammar, every word with the class that it has
where it stands.

    sentence       subject verb (object | adverb)? (preposition phrase)? (conjunction sentence)? stop
    phrase         determiner adjective* noun   |   pronoun

A third of the nouns and verbs are one word in two classes ("walk"), and a noun is followed by a
verb where it is the subject and by something else where it is not: the last word alone does not
tell the class of the next. What must then hold of a network that has learnt to foresee the next
word: it knows the next class better than the last word tells it.

Cost: a second for half a million words.
Reference: Surendra et al. (2023), arXiv:2302.07588, for windows of nine words and the class of the
tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from inscape.core.between import check_between

CLASSES = (
    "determiner",
    "adjective",
    "noun",
    "verb",
    "adverb",
    "preposition",
    "pronoun",
    "conjunction",
    "stop",
)
#: words of each class, in that order; the last `AMBIGUOUS` nouns are the last verbs too
SIZES = (5, 24, 45, 45, 12, 8, 6, 3, 1)
AMBIGUOUS = 15
_FIRST = np.concatenate([[0], np.cumsum(SIZES)[:-1]])
#: words of the vocabulary
WORDS = sum(SIZES) - AMBIGUOUS


class Windows(NamedTuple):
    """Stretches of a text, and what comes next.

    Attributes:
        words: of each, (n, length).
        following: the word that comes next.
        classes: its class.
        last: the class of the last word of each.
    """

    words: Int[np.ndarray, "n length"]
    following: Int[np.ndarray, " n"]
    classes: Int[np.ndarray, " n"]
    last: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Text:
    """A text.

    Attributes:
        words: in order, numbers below `WORDS`.
        classes: of each word where it stands, indices into `CLASSES`.
    """

    words: Int[np.ndarray, " n"]
    classes: Int[np.ndarray, " n"]

    def windows(self, n: int, length: int, *, rng: np.random.Generator) -> Windows:
        """Stretches at random places.

        Args:
            n: how many.
            length: words of each.
            rng: of the places.
        """
        ends = rng.integers(length, len(self.words), size=n)
        inside = ends[:, None] + np.arange(-length, 0)
        return Windows(
            self.words[inside], self.words[ends], self.classes[ends], self.classes[ends - 1]
        )

    def pairs(self) -> Windows:
        """Every word but the last as a window of one word, in order."""
        words, classes = self.words, self.classes
        return Windows(words[:-1, None], words[1:], classes[1:], classes[:-1])


def text(n: int, *, rng: np.random.Generator) -> Text:
    """Write a text.

    Args:
        n: words of it.
        rng: of everything in it. Which words are frequent is the same for all: the k-th of its
            class has weight 1 / k.

    Raises:
        ValueError: no word.

    Example:
        >>> made = text(1000, rng=np.random.default_rng(0))
        >>> len(made.words), CLASSES[made.classes[1]] in ("adjective", "noun", "verb")
        (1000, True)
    """
    check_between("text: n", n, 1)
    classes = _classes(n, rng)
    words = np.empty(n, dtype=np.int64)
    for c, size in enumerate(SIZES):
        weights = 1 / np.arange(1, size + 1)
        at = np.flatnonzero(classes == c)
        words[at] = _numbers(c)[rng.choice(size, len(at), p=weights / weights.sum())]
    return Text(words, classes)


def bigram_accuracy(known: Windows, new: Windows) -> float:
    """How often the class that is commonest after a word is that of the next word.

    Args:
        known: where classes after each word are counted; one after a word never seen there is
            taken for the first of `CLASSES`.
        new: windows whose next class is guessed by their last word.

    Returns:
        The share of `new` that is right.
    """
    count = np.zeros((WORDS, len(CLASSES)))
    np.add.at(count, (known.words[:, -1], known.classes), 1)
    return float((count.argmax(axis=1)[new.words[:, -1]] == new.classes).mean())


def _numbers(c: int) -> Int[np.ndarray, " size"]:
    """The words of a class, frequent ones first; ambiguous words are spread over both lists."""
    noun, verb = CLASSES.index("noun"), CLASSES.index("verb")
    own = np.arange(SIZES[c])
    if c not in (noun, verb):
        numbers = own + _FIRST[c]
        return numbers - (AMBIGUOUS if c > verb else 0)
    shared = _FIRST[noun] + np.arange(AMBIGUOUS)
    alone = SIZES[noun] - AMBIGUOUS
    first = shared[-1] + 1 + (alone if c == verb else 0)
    numbers = np.empty(SIZES[c], dtype=np.int64)
    numbers[::3] = shared
    numbers[own % 3 > 0] = first + np.arange(alone)
    return numbers


def _classes(n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    determiner, adjective, noun, verb, adverb, preposition, pronoun, conjunction, stop = range(9)
    chance = iter(rng.random(20 * n + 200))
    out: list[int] = []

    def phrase() -> None:
        if next(chance) < 0.25:
            out.append(pronoun)
            return
        out.append(determiner)
        while next(chance) < 0.35:
            out.append(adjective)
        out.append(noun)

    while len(out) < n:
        phrase()
        out.append(verb)
        kind = next(chance)
        if kind < 0.55:
            phrase()
        elif kind < 0.8:
            out.append(adverb)
        if next(chance) < 0.4:
            out.append(preposition)
            phrase()
        out.append(conjunction if next(chance) < 0.2 else stop)
    return np.array(out[:n])
