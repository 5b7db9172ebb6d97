"""Position sets: what is in them, what never is, and that they are the same wherever a text
stands.
"""

from __future__ import annotations

import numpy as np

from inscape.control.position_sets import position_sets
from inscape.core.batch import Tokens

TEXT = "It was great , we loved it . So it is"


def tokens(text: str = TEXT) -> tuple[Tokens, dict[str, tuple[int, int]]]:
    at, offsets = 0, []
    for word in text.split():
        offsets.append((at, at + len(word)))
        at += len(word) + 1
    n = len(offsets)
    spans = {"adjective": (7, 12), "verb": (18, 23), "end": (34, 36)}
    return Tokens(np.arange(n), np.array(offsets), np.zeros(n, dtype=bool), text), spans


def chosen(name: str, **options) -> list[int]:
    sets = position_sets(("adjective", "verb"), 3, options.pop("seed", 0))
    return np.flatnonzero(sets[name](*tokens(**options))).tolist()


def test_the_named_sets():
    assert chosen("all") == list(range(1, 11))
    assert chosen("words") == [2, 5]
    assert chosen("word.adjective") == [2]
    assert chosen("word.verb") == [5]
    assert chosen("punctuation") == [3, 7]
    assert chosen("last") == [10]


def test_random_sets_have_as_many_tokens_and_leave_out_what_they_must():
    for k in range(3):
        assert len(chosen(f"random.{k}")) == len(chosen(f"neutral.{k}")) == 2
        assert not set(chosen(f"random.{k}")) & {0, 3, 7, 10}
        assert not set(chosen(f"neutral.{k}")) & {0, 2, 3, 5, 7, 10}
    many = {tuple(chosen("random.0", seed=s)) for s in range(20)}
    assert len(many) > 5
    assert {2, 5} & {
        i for pair in many for i in pair
    }  # words of feeling may be drawn, unless left out


def test_a_text_has_the_same_sets_each_time():
    assert chosen("random.1") == chosen("random.1")


def test_spans_that_the_examples_lack_are_no_words():
    assert not position_sets(("nothing",), 0, 0)["words"](*tokens()).any()
