"""Words in pieces: cut, misspelt, exchanged."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from inscape.core.errors import DataError
from inscape.worlds.word_pieces import WordPieces, forced, misspelt, nonwords, of_texts


def test_a_cut_word_is_made_of_tokens_and_reads_the_same():
    vocabulary = {
        piece: i for i, piece in enumerate(["_ri", "_r", "i", "ver", "v", "er", "_river"])
    }
    names = {i: piece for piece, i in vocabulary.items()}
    rng = np.random.default_rng(0)
    cuts = [forced("river", vocabulary, "_", rng=rng) for _ in range(30)]
    assert all("".join(names[i] for i in cut) == "_river" for cut in cuts if cut)
    assert {len(cut) for cut in cuts if cut} <= {2, 3, 4}
    assert len({cut for cut in cuts if cut}) > 1
    assert forced("xylem", vocabulary, "_", rng=rng) is None


def test_a_misspelt_word_is_another_of_nearly_its_letters():
    rng = np.random.default_rng(0)
    made = [misspelt("planet", rng=rng) for _ in range(50)]
    assert all(w[0] == "p" and w[-1] == "t" and abs(len(w) - 6) <= 1 for w in made)
    assert len(set(made)) > 8


def test_nonwords_hold_the_same_pieces_at_the_same_places():
    rng = np.random.default_rng(0)
    words = [(int(a), int(b)) for a, b in rng.integers(0, 40, (80, 2))] + [(1, 2, 3), (4, 5, 6)]
    words = list(dict.fromkeys(words))
    known = {str(w) for w in words}
    kept, made = nonwords(words, known, str, rng=rng)
    assert len(kept) == len(made) == len(set(kept)) > 20
    assert not {str(m) for m in made} & known
    for place in (0, -1):
        assert Counter(words[i][place] for i in kept) == Counter(m[place] for m in made)


class Letters:
    """A tokenizer of spaced letters, of which some pairs are one token."""

    pairs = ("_r", "th", "er", "in", "st")

    def __init__(self):
        letters = [chr(c) for c in range(97, 123)]
        self.vocabulary = {
            t: i
            for i, t in enumerate(
                [*self.pairs, *letters, *("_" + x for x in letters), "_river", "_the"]
            )
        }

    def get_vocab(self):
        return self.vocabulary

    def convert_ids_to_tokens(self, rows):
        names = {i: t for t, i in self.vocabulary.items()}
        return [names[i] for i in rows]

    def decode(self, rows):
        return "".join(self.convert_ids_to_tokens(rows)).replace("_", " ")

    def __call__(self, text, add_special_tokens=False):
        out = []
        for word in text.split():
            left = "_" + word
            while left:
                size = next(n for n in range(len(left), 0, -1) if left[:n] in self.vocabulary)
                out.append(self.vocabulary[left[:size]])
                left = left[size:]
        return {"input_ids": out}


def test_too_few_words_are_refused():
    with pytest.raises(DataError, match="give more text"):
        of_texts(Letters(), ["a the river ran the river"] * 3, 10, rng=np.random.default_rng(0))


def test_the_first_words_are_those_that_are_cut():
    words = WordPieces(
        [1, 2, 3], [(4, 5), (6, 7), (8, 9)], [((4, 4), 1)] * 3, [(1, 1)], [(2, 2)], []
    )
    few = words.first(2)
    assert (few.whole, few.split) == ([1, 2], [(4, 5), (6, 7)])
    assert len(few.typos) == 2
    assert few.words == words.words
