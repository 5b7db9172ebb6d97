"""Word classes: what the grammar promises of words, classes and what follows what."""

from __future__ import annotations

import numpy as np

from inscape.worlds.word_classes import (
    AMBIGUOUS,
    CLASSES,
    SIZES,
    WORDS,
    Windows,
    bigram_accuracy,
    text,
)


def test_words_belong_to_their_classes_and_some_to_two():
    made = text(60_000, rng=np.random.default_rng(0))
    assert made.words.min() == 0
    assert made.words.max() == WORDS - 1
    own = {name: set(made.words[made.classes == c].tolist()) for c, name in enumerate(CLASSES)}
    assert [len(own[name]) for name in CLASSES] == list(SIZES)
    assert len(own["noun"] & own["verb"]) == AMBIGUOUS
    apart = [own[name] for name in CLASSES if name != "verb"]
    assert sum(map(len, apart)) == len(set().union(*apart))


def test_what_follows_is_what_the_grammar_says():
    made = text(60_000, rng=np.random.default_rng(1))
    follows = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(follows, (made.classes[:-1], made.classes[1:]), 1)
    share = follows / follows.sum(axis=1, keepdims=True)
    at = CLASSES.index
    assert share[at("adjective"), at("adjective")] + share[at("adjective"), at("noun")] == 1
    assert share[at("stop"), at("determiner")] + share[at("stop"), at("pronoun")] == 1
    # after a noun it depends on what the noun is: subject, object or neither
    assert 0.3 < share[at("noun"), at("verb")] < 0.6
    assert share[at("noun"), at("determiner")] == 0


def test_windows_are_stretches_of_the_text():
    made = text(500, rng=np.random.default_rng(2))
    found = made.windows(50, 9, rng=np.random.default_rng(3))
    whole = made.words.tolist()
    for inside, following in zip(found.words.tolist(), found.following.tolist(), strict=True):
        assert any(whole[i : i + 10] == [*inside, following] for i in range(len(whole)))
    stop = CLASSES.index("stop")
    assert ((found.last == stop) == (found.words[:, -1] == WORDS - 1)).all()


def test_bigrams_guess_what_is_commonest_after_the_last_word():
    made = text(20_000, rng=np.random.default_rng(4))
    known, new = (made.windows(3000, 9, rng=np.random.default_rng(k)) for k in (5, 6))
    after = {}
    for word, following in zip(known.words[:, -1].tolist(), known.classes.tolist(), strict=True):
        after.setdefault(word, []).append(following)
    guess = {word: max(sorted(set(c)), key=c.count) for word, c in after.items()}
    right = [
        guess.get(word, 0) == following
        for word, following in zip(new.words[:, -1].tolist(), new.classes.tolist(), strict=True)
    ]
    found = bigram_accuracy(known, new)
    assert found == np.mean(right)
    commonest = np.bincount(known.classes).argmax()
    assert (
        (new.classes == commonest).mean() + 0.1 < found < 0.95
    )  # the last word alone is not enough


def test_bigrams_of_a_text_where_the_last_word_decides():
    words = np.array([[0, 1], [0, 2], [0, 1], [0, 1]])
    classes = np.array([3, 4, 3, 5])
    made = Windows(words, classes, classes, classes)
    assert bigram_accuracy(made, made) == 0.75


def test_pairs_are_every_word_with_what_follows():
    made = text(500, rng=np.random.default_rng(7))
    found = made.pairs()
    assert found.words.shape == (499, 1)
    assert (found.words[1:, 0] == found.following[:-1]).all()
    assert (found.classes[:-1] == found.last[1:]).all()
    ends = np.arange(1, 500)
    assert (found.following == made.words[ends]).all()
    assert (found.classes == made.classes[ends]).all()
