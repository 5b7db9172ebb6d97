"""The line in the embedding: where it is, and where it is not."""

from __future__ import annotations

import numpy as np

from inscape.data.sets.ordered_words import LISTS, SENTENCES, load
from inscape.shape.magnitude_effects import distance_effect
from inscape.worlds.number_line import number_line


def test_numbers_of_both_formats_are_on_the_line_and_nouns_are_not():
    world = number_line()
    table = world.model.net.model.embed_tokens.weight.detach().numpy()
    found = {}
    for name, words in LISTS.items():
        ids = [t.ids[0] for t in world.model.tokenize(words.split())]
        unit = table[ids] / np.linalg.norm(table[ids], axis=1, keepdims=True)
        found[name] = float(distance_effect(unit @ unit.T, np.arange(1, 10)))
    assert min(found["digits"], found["words"]) > 0.6
    assert abs(found["nouns"]) < 0.3


def test_every_word_stands_in_every_sentence_at_its_span():
    frame = load().frame
    assert len(frame) == 45 * len(SENTENCES)
    cut = [t[a:b] for t, a, b in zip(frame["text"], frame["start"], frame["end"], strict=True)]
    wanted = [w for words in LISTS.values() for w in words.split() for _ in SENTENCES]
    assert cut == wanted
    assert len(load(5)) == 5
