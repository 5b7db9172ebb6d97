"""Words in pieces: attention between them cut, updates read, embeddings put back."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.model.unembed import Readout
from inscape.outcomes.token_rows import last_states, losses_after, prompt_asker
from inscape.outcomes.words_in_pieces import (
    MADE,
    MEAN,
    NOTHING,
    OTHERS,
    PIECES,
    losses_put_back,
    made_below_mean,
    made_embeddings,
    names_when_cut,
    update_ranks,
)
from inscape.worlds.word_pieces import WordPieces
from tests.store.conftest import llama

ROWS = [(3, 9, 4), (8, 2, 4), (7, 5, 6)]


@pytest.fixture(scope="module")
def model():
    return llama()


def test_every_window_of_blocks_is_cut_once_beside_nothing_cut(model):
    ask, site = prompt_asker(model, [3, 9, 4, 6], 1), "resid_post.1"
    found = names_when_cut(model, ask, ROWS, [3, 3, 3], site, (0, 1), 1)
    assert list(found) == [NOTHING, "blocks 0 to 0", "blocks 1 to 1"]
    plain = ask(last_states(model, ROWS, [site])[site]).argmax(-1).numpy()
    np.testing.assert_array_equal(found[NOTHING], plain)
    whole = names_when_cut(model, ask, ROWS, [3, 3, 3], site, (0, 1), 2)
    first, second, _ = whole["blocks 0 to 1"]
    assert first == second  # both end with token 4, and see nothing else


def test_ranks_of_updates_are_counted_in_the_unembedding(model):
    own = [4, 2, 6]
    found = update_ranks(model, ROWS, own)
    blocks = range(len(model.atlas.blocks))
    assert set(found) == {(part, i) for part in ("attention", "MLP") for i in blocks}
    x = last_states(model, ROWS, ["mlp_out.1"])["mlp_out.1"]
    logits = (x @ Readout.of(model).weight.float().T).numpy()
    by_hand = [(row > row[t]).sum() for row, t in zip(logits, own, strict=True)]
    np.testing.assert_array_equal(found["MLP", 1], by_hand)


def test_losses_by_what_stands_in_the_words_place(model):
    texts, pieces = [((3, 9), (4, 6)), ((5,), (8, 2))], [(7,), (6,)]
    own = last_states(model, pieces, ["embed"])["embed"]
    found = losses_put_back(model, texts, pieces, own)
    assert set(found) == {MADE, MEAN, OTHERS, PIECES}
    for name in (MADE, MEAN):  # of words of one token all three are the same
        np.testing.assert_allclose(found[name], found[PIECES], rtol=1e-5)
    np.testing.assert_allclose(found[OTHERS], losses_after(model, texts, [(6,), (7,)]), rtol=1e-5)


def test_embeddings_are_made_where_states_hold_them(model):
    # a word "cut" into one piece, itself: at the embedding its state is its embedding, and after a
    # block it is not; thirteen words, so that each is in every part that is left out
    whole = list(range(3, 16)) * 6
    words = WordPieces(whole, [(w,) for w in whole], [], [], [], [])
    pieces = [(5,), (9,)]
    found = made_embeddings(model, words, pieces, ["resid_post.1", "embed"])
    assert found.site == "embed"
    assert found.explained > 0.99
    own = last_states(model, pieces, ["embed"])["embed"]
    np.testing.assert_allclose(found.embeddings, own, atol=0.05 * float(own.abs().max()))
    mixed = WordPieces([whole[0], *whole[:-1]], words.split, [], [], [], [])
    wrong = made_embeddings(model, mixed, pieces, ["embed"]).embeddings
    assert np.abs(wrong.numpy() - own.numpy()).max() > 0.2 * float(own.abs().max())


def test_a_made_embedding_is_judged_by_the_mean_of_the_pieces():
    losses = {
        MADE: np.array([1.0, 1.0, 3.0, 1.0]),
        MEAN: np.full(4, 2.0),
        OTHERS: np.array([1.0, 3.0, 3.0, 3.0]),
        PIECES: np.zeros(4),
    }
    found = made_below_mean(losses, np.arange(4))
    assert found.value == 0.75
    assert [(b.role, b.value) for b in found.beside] == [("baseline", 0.25)]
    assert found.n == 4
