"""Rows of token ids through a network: states, states put into a prompt, and what follows a
word.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.batch import Tokens
from inscape.outcomes.token_rows import (
    last_states,
    losses_after,
    mean_embeddings,
    patched_names,
    prompt_asker,
    repeating_prompt,
)
from tests.store.conftest import llama

ROWS = [(3, 9, 4), (7,), (5, 6)]


@pytest.fixture(scope="module")
def model():
    return llama()


def test_states_at_the_last_token_are_the_models_own(model):
    found = last_states(model, ROWS, ["embed", "resid_post.1"], budget=4)
    for i, row in enumerate(ROWS):
        alone = model.run([Tokens.of(row)], "resid_post.1")["resid_post.1"][0, -1]
        assert torch.allclose(found["resid_post.1"][i], alone, atol=1e-5)
    assert found["embed"].shape == (3, 24)


def test_a_last_token_that_may_not_look_back_is_as_one_alone_but_for_its_place(model):
    cut = last_states(model, [(3, 9), (8, 9)], ["resid_post.1"], layers=(0, 1), pieces=(2, 2))
    plain = last_states(model, [(3, 9), (8, 9)], ["resid_post.1"])
    assert torch.allclose(*cut["resid_post.1"], atol=1e-5)
    assert not torch.allclose(*plain["resid_post.1"], atol=1e-2)


def test_only_the_pieces_of_the_word_are_cut(model):
    rows = [(5, 3, 9), (6, 3, 9)]
    cut = last_states(model, rows, ["resid_post.1"], layers=(0, 1), pieces=(2, 2))["resid_post.1"]
    assert not torch.allclose(*cut, atol=1e-3)  # what stands before the word is still seen


def test_a_tokens_own_embedding_in_its_place_changes_nothing(model):
    prompt = [3, 9, 4, 6]
    own = last_states(model, [(9,)], ["embed"])["embed"]
    plain = model.run(torch.tensor([prompt]), logits=True).logits[0, -1]
    assert torch.allclose(prompt_asker(model, prompt, 1)(own)[0], plain, atol=1e-5)
    other = last_states(model, [(7,)], ["embed"])["embed"]
    assert not torch.allclose(prompt_asker(model, prompt, 1)(other)[0], plain, atol=1e-3)


def test_a_words_own_embedding_costs_what_its_token_costs(model):
    texts, words = [((3, 9), (4, 6)), ((5,), (8, 2))], [(7,), (6,)]
    own = last_states(model, words, ["embed"])["embed"]
    by_token, made = losses_after(model, texts, words), losses_after(model, texts, own)
    np.testing.assert_allclose(by_token, made, rtol=1e-5)
    logits = model.run(torch.tensor([[3, 9, 7, 4, 6]]), logits=True).logits[0].log_softmax(-1)
    assert by_token[0] == pytest.approx(-float(logits[2, 4] + logits[3, 6]) / 2, rel=1e-5)


class Spaced:
    """A tokenizer of numbers."""

    def __call__(self, text, add_special_tokens=False):
        return {"input_ids": [int(t) for t in text.split()]}


def test_the_prompt_that_repeats_most_is_taken(monkeypatch, model):
    monkeypatch.setattr(model, "tokenizer", Spaced(), raising=False)
    found = repeating_prompt(model, ("3 {} 4", "5 {}"), [7, 8])
    assert set(found.rates) == {"3 {} 4", "5 {}"}
    assert found.best == max(found.rates.values())


def test_embeddings_of_a_words_tokens_are_averaged(model):
    own = last_states(model, [(3,), (9,), (4,)], ["embed"])["embed"]
    mean = mean_embeddings(model, (), [(3, 9), (4,), (9, 9, 4)])
    assert torch.allclose(mean[0], (own[0] + own[1]) / 2, atol=1e-6)
    assert torch.allclose(mean[1], own[2], atol=1e-6)
    assert torch.allclose(mean[2], (2 * own[1] + own[2]) / 3, atol=1e-6)


def test_names_are_those_that_the_prompt_gives_layer_by_layer():
    calls: list[int] = []

    def ask(x):
        return torch.nn.functional.one_hot(x[:, 0].long(), 10).float()

    states = [torch.tensor([[3.0], [4.0]]), torch.tensor([[5.0], [6.0]])]
    assert patched_names(ask, states, lambda: calls.append(1)).tolist() == [[3, 4], [5, 6]]
    assert len(calls) == 2
