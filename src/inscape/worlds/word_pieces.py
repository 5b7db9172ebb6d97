"""Words in pieces: single-token words cut into tokens, misspelt words, words of several tokens, and
pairs that are none.

Everything is token ids, so that a word can be fed in pieces that the tokenizer itself would not
make. Nonwords take the first pieces of one word and the last piece of another with as many: each
place of a word holds the same pieces in words and nonwords, each as often, so that no single piece
tells them apart.

Cost: a few look-ups in the vocabulary for each word.
Reference: Kaplan et al. (2024), From tokens to words, arXiv:2410.05864, §3 and §4.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from inscape.core.batch import plain_ids
from inscape.core.errors import DataError
from inscape.worlds.lexicon import Lexicon

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Context:
    """A word of several pieces in a text: what stands before and after it, and which word it is."""

    before: Ids
    after: Ids
    word: int


@dataclass(frozen=True)
class WordPieces:
    """Words as token ids.

    Attributes:
        whole: the single token of each word that has one.
        split: the same words cut into several tokens.
        typos: misspelt words, as the tokenizer cuts them, and the token of the right spelling.
        words: words that need several tokens.
        nonwords: pairs of their pieces that are no words.
        contexts: texts with such words in them.
    """

    whole: list[int]
    split: list[Ids]
    typos: list[tuple[Ids, int]]
    words: list[Ids]
    nonwords: list[Ids]
    contexts: list[Context]

    def first(self, count: int) -> WordPieces:
        """Only the first words that are cut, and the first misspelt ones.

        Args:
            count: of each.
        """
        few = {"whole": self.whole[:count], "split": self.split[:count]}
        return replace(self, **few, typos=self.typos[:count])


def of_lexicon(world: Lexicon) -> WordPieces:
    """The words of a made-up language."""
    vocabulary = world.model.tokenizer.get_vocab()

    def ids(pairs: np.ndarray) -> list[Ids]:
        return [tuple(vocabulary[str(p)] for p in pair) for pair in pairs]

    words, kinds = (
        ids(np.concatenate([world.split, world.whole])),
        {vocabulary[k] for k in world.kinds.values()},
    )
    contexts = []
    for text in world.documents.texts():
        row = [vocabulary[w] for w in text.split()]
        for i in range(3, len(row) - 3):
            pair = tuple(row[i : i + 2])
            if pair in words[: len(world.split)] and row[i + 2] in kinds:
                contexts.append(Context(tuple(row[:i]), (row[i + 2],), words.index(pair)))
    whole = [vocabulary["".join(pair)] for pair in world.whole]
    return WordPieces(whole, ids(world.whole), [], words, ids(world.other), contexts)


def of_texts(
    tokenizer: Any, texts: Sequence[str], most: int, *, rng: np.random.Generator
) -> WordPieces:
    """Words of texts that occur twice or more, in lower case, of four letters or more.

    Args:
        tokenizer: of the model, with a mark for the space before a word (byte-level or
            sentencepiece).
        texts: where words and contexts come from.
        most: of each kind of word.
        rng: of the choice and the cuts.

    Raises:
        DataError: too few words are left to ask anything.
    """
    counts = Counter(w for text in texts for w in set(re.findall(r"(?<= )[a-z]{4,14}(?= )", text)))
    known = {w for text in texts for w in re.findall(r"[a-z]+", text.lower())}
    common = sorted(w for w, n in counts.items() if n >= 2)
    common = [common[i] for i in rng.permutation(len(common))]
    rows = {w: tuple(plain_ids(tokenizer, " " + w)) for w in common}
    vocabulary, mark = tokenizer.get_vocab(), _mark(tokenizer)
    single = [
        (rows[w][0], cut)
        for w in common
        if len(rows[w]) == 1 and (cut := forced(w, vocabulary, mark, rng=rng))
    ]
    typos = []
    for w in common:
        wrong = tuple(plain_ids(tokenizer, " " + misspelt(w, rng=rng)))
        if len(rows[w]) == 1 and len(wrong) > 1:
            typos.append((wrong, rows[w][0]))
    several = [w for w in common if 2 <= len(rows[w]) <= 4][:most]
    if len(single) < 20 or len(several) < 20:
        raise DataError(
            f"these texts hold {len(single)} words of one token and {len(several)} of several; "
            "give more text."
        )
    words = [rows[w] for w in several]
    kept, none = nonwords(words, known, lambda row: tokenizer.decode(list(row)).strip(), rng=rng)
    contexts = _contexts(tokenizer, texts, [several[i] for i in kept])
    split = single[:most]
    return WordPieces(
        [w for w, _ in split],
        [c for _, c in split],
        typos[:most],
        [words[i] for i in kept],
        none,
        contexts,
    )


def _mark(tokenizer: Any) -> str:
    """What stands for the space before a word."""
    return str(tokenizer.convert_ids_to_tokens(plain_ids(tokenizer, " the"))[0]).removesuffix("the")


def forced(
    word: str, vocabulary: dict[str, int], mark: str, *, rng: np.random.Generator
) -> Ids | None:
    """A word cut at random into two to four pieces that are all tokens, or None."""
    for _ in range(20):
        count = int(rng.integers(1, min(4, len(word) - 1)))
        cuts = [
            0,
            *sorted(rng.choice(np.arange(1, len(word)), size=count, replace=False).tolist()),
            len(word),
        ]
        parts = [word[a:b] for a, b in pairwise(cuts)]
        found = [vocabulary.get((mark if i == 0 else "") + part) for i, part in enumerate(parts)]
        if all(f is not None for f in found):
            return tuple(int(f) for f in found if f is not None)
    return None


def misspelt(word: str, *, rng: np.random.Generator) -> str:
    """Two neighbouring letters inside a word exchanged, one doubled, or one left out."""
    i, kind = int(rng.integers(1, len(word) - 2)), int(rng.integers(3))
    if kind == 0:
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return word[: i + 1] + word[i] + word[i + 1 :] if kind == 1 else word[:i] + word[i + 1 :]


def nonwords(
    words: Sequence[Ids], known: set[str], spell: Any, *, rng: np.random.Generator
) -> tuple[list[int], list[Ids]]:
    """Last pieces exchanged among words of as many pieces; words for which none is found are left
    out.

    Returns:
        Which words are kept, and a nonword for each of them: together they hold the same last
            pieces.
    """
    kept, made = [], []
    for length in sorted({len(w) for w in words}):
        rows = [i for i, w in enumerate(words) if len(w) == length]
        order = rng.permutation(len(rows))
        for a, b in zip(order[0::2], order[1::2], strict=False):
            one, two = words[rows[a]], words[rows[b]]
            pair = [(*one[:-1], two[-1]), (*two[:-1], one[-1])]
            if (
                one[-1] != two[-1]
                and one[:-1] != two[:-1]
                and not any(spell(p) in known for p in pair)
            ):
                kept += [rows[a], rows[b]]
                made += pair
    return kept, made


def _contexts(
    tokenizer: Any, texts: Sequence[str], words: Sequence[str], before: int = 20, after: int = 8
) -> list[Context]:
    """One text for each word, cut about it."""
    where, out = {w: i for i, w in enumerate(words)}, {}
    for text in texts:
        for match in re.finditer(r"(?<= )[a-z]{4,14}(?= )", text):
            i = where.get(match[0])
            if i is None or i in out or match.start() < 20:
                continue
            head, tail = (
                plain_ids(tokenizer, text[: match.start() - 1])[-before:],
                plain_ids(tokenizer, text[match.end() :])[:after],
            )
            if len(tail) == after and len(head) > 4:
                out[i] = Context(tuple(head), tuple(tail), i)
    return [out[i] for i in sorted(out)]
