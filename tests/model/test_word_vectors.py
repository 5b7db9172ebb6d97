"""Words of one token: which they are, and whose row they have."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.word_vectors import shared_word_vectors, word_vectors
from tests.model.nets import net


@pytest.fixture(scope="module")
def model() -> Model:
    return open(net("llama"))


@pytest.mark.parametrize(
    ("vocabulary", "words"),
    [
        (["Ġhouse", "house", "Ġa", "ĠHouse", "Ġtree", "s"], {"house": 0, "tree": 4}),
        (["▁tree", "tree", "▁houses", "▁in", "3", "<s>"], {"tree": 0, "houses": 2}),
        (["[CLS]", "##ing", "tree", "it", "house", "x1y"], {"tree": 2, "house": 4}),
    ],
)
def test_words_begin_where_the_tokenizer_marks_it(model, monkeypatch, vocabulary, words):
    tokens = {token: at for at, token in enumerate(vocabulary)}
    monkeypatch.setattr(model, "tokenizer", SimpleNamespace(get_vocab=lambda: tokens))
    found, rows = word_vectors(model)
    assert found == list(words)
    table = model.net.get_input_embeddings().weight.detach().double()
    assert torch.equal(torch.from_numpy(rows), table[list(words.values())])


def test_shared_words_have_a_row_in_either_model(monkeypatch):
    one, two = open(net("llama")), open(net("llama"))
    vocabularies = ["Ġhouse", "Ġtree", "Ġriver", "Ġbread"], ["▁bread", "▁house", "▁stone", "▁tree"]
    for model, vocabulary in zip((one, two), vocabularies, strict=True):
        tokens = {token: at for at, token in enumerate(vocabulary)}
        fake = SimpleNamespace(get_vocab=lambda tokens=tokens: tokens)
        monkeypatch.setattr(model, "tokenizer", fake)
    with torch.no_grad():
        two.net.get_input_embeddings().weight.mul_(2)
    words, x, y = shared_word_vectors(one, two, 10)
    assert words == ["house", "tree", "bread"]
    own, other = (m.net.get_input_embeddings().weight.detach().double() for m in (one, two))
    assert torch.equal(torch.from_numpy(x), own[[0, 1, 3]])
    assert torch.equal(torch.from_numpy(y), other[[1, 3, 0]])
    assert shared_word_vectors(one, two, 2)[0] == ["house", "tree"]


def test_a_model_without_words_is_refused(model):
    with pytest.raises(ModelError, match="has no tokenizer"):
        word_vectors(model)
