"""Sentences are cut, halved and dealt into documents as it says; a hybrid is as good as its better
part.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.data.examples import Examples
from inscape.outcomes.retrieval import (
    SPARSE,
    Retrieval,
    Sentences,
    half_of_words,
    retrieval,
    sentences,
)

TRUTH = np.array([0, 0, 1, 1])


def test_sentences_are_distinct_of_some_length_and_keep_their_group():
    texts = ["One two three.  Four five\nsix! No.", "One two three. Seven eight nine ten?"]
    frame = pd.DataFrame({"text": texts, "module": ["a", "b"]})
    found = sentences(Examples(frame, "text", (), "module"), 10, least=3, most=4)
    assert found.texts() == ["One two three.", "Four five six!", "Seven eight nine ten?"]
    assert found.groups().tolist() == ["a", "a", "b"]
    assert len(sentences(Examples(frame, "text", (), "module"), 2, least=3)) == 2


def test_half_of_the_words_in_their_order():
    rng = np.random.default_rng(0)
    for half in half_of_words(["a b c d e f g h"] * 20, rng=rng):
        assert len(half.split()) == 4
        assert half.split() == sorted(half.split())


def made(n=12, width=5):
    rng = np.random.default_rng(1)
    texts = [f"word{k} other{k}" for k in range(n)]
    states = torch.from_numpy(3 + 2 * rng.normal(size=(n, width)))
    return Sentences(texts, [f"word{k}" for k in range(n)], states, states + 0.01)


def test_states_are_scaled_by_the_training_sentences_alone():
    every, held = made(), np.arange(12) % 3 == 0
    train, test = every.split(held)
    assert (len(train), len(test)) == (8, 4)
    assert train.states.mean(0).abs().max() < 1e-6
    assert torch.allclose(train.states.std(0, correction=0), torch.ones(5), atol=1e-5)
    assert test.texts == [every.texts[k] for k in (0, 3, 6, 9)]
    known = every.states[torch.from_numpy(~held)]
    expected = (every.states[3] - known.mean(0)) / known.std(0, correction=0)
    assert torch.allclose(test.states[1].double(), expected, atol=1e-5)


def test_random_documents_share_no_sentence_and_hold_the_one_asked_by():
    every = made(40)
    states = every.states
    asked, documents = every.documents(6, 5, rng=np.random.default_rng(0))
    rows = [(states == part).all(1).nonzero().item() for part in documents.reshape(30, -1)]
    assert len(set(rows)) == 30
    of = [(every.asked == own).all(1).nonzero().item() for own in asked]
    assert all(row in rows[5 * k : 5 * k + 5] for k, row in enumerate(of))
    assert len({rows[5 * k : 5 * k + 5].index(row) for k, row in enumerate(of)}) > 1
    with pytest.raises(ValueError, match="9 documents of 5 sentences cannot be made of 40"):
        every.documents(9, 5, rng=np.random.default_rng(0))


def test_documents_are_dealt_and_the_words_of_a_query_find_theirs():
    def best(asked, parts):
        return torch.einsum("qd,npd->qnp", asked, parts).amax(dim=2)

    train, _ = made().split(np.zeros(12, dtype=bool))
    found = retrieval(train, 5, {"best": best}, rng=np.random.default_rng(0))
    assert found.truth.tolist() == [0] * 5 + [1] * 5  # two sentences are left over
    assert set(found.scores) == {"best", SPARSE}
    assert found.first(found.scores[SPARSE]).all()
    assert found.scores["best"].shape == (10, 2)


def test_the_weight_is_that_at_which_most_are_found():
    good = np.array([[2.0, 0], [2, 0], [0, 2], [0, 2]])
    bad = np.array([[0.0, 9], [0, 9], [9, 0], [9, 0]])
    found = Retrieval(TRUTH, {"good": good, "bad": bad})
    assert found.first(good).tolist() == [1, 1, 1, 1]
    assert found.best_weight("good", "bad") == 0
    assert found.best_weight("bad", "good", steps=5) == 0.75
    assert found.first(found.mixed("bad", "good", 0.75)).all()
    assert found.mixed("good", "bad", 0.0) == pytest.approx(good / good.std())


def test_half_of_an_odd_number_is_the_smaller_half_and_one_word_has_none():
    rng = np.random.default_rng(0)
    assert {len(h.split()) for h in half_of_words(["a b c d e"] * 20, rng=rng)} == {2}
    for texts, message in (
        (["a b", "c"], r"1 texts have fewer than two words \(first: 2\)"),
        ("a b", "texts is a list"),
    ):
        with pytest.raises(ValueError, match=message):
            half_of_words(texts, rng=rng)


def test_sentences_have_a_length_and_a_number():
    data = Examples(pd.DataFrame({"text": ["one two three."]}), "text")
    for limit, least, most in ((0, 1, 9), (-1, 1, 9), (3, 9, 1)):
        with pytest.raises(ValueError, match="limit must be at least 1 and 1 ≤ least ≤ most"):
            sentences(data, limit, least, most)
