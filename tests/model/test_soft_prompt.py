"""Soft prompts: logits are those of a whole pass, embeddings of words act as the words, only the
vectors get a gradient.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.soft_prompt import SoftPrompt
from inscape.worlds.small_llama import PAD, small_llama, word_tokenizer

WORDS = [PAD, "a", "red", "green", "ring", "cross", "and"]


@pytest.fixture(scope="module")
def model():
    net = small_llama(len(WORDS), 16, seed=3)
    return open(net, tokenizer=word_tokenizer(WORDS), name="toy")


def ids(model, text: str) -> torch.Tensor:
    return torch.tensor(model.tokenizer(text)["input_ids"])[None]


def test_words_as_vectors_give_the_logits_of_the_text(model):
    prompt = SoftPrompt(model, "a red ring and", "a")
    said = ids(model, "green cross")
    found = prompt.logits(prompt.words[ids(model, "red green")], said)
    whole = model.net(input_ids=ids(model, "a red ring and red green a green")).logits
    assert torch.allclose(found, whole[:, -2:], atol=1e-5)
    other = prompt.logits(prompt.words[ids(model, "ring green")], said)
    assert not torch.allclose(found, other, atol=1e-3)
    expected = -whole[0, -2:].log_softmax(-1)[torch.arange(2), said[0]].mean()
    assert torch.allclose(prompt.loss(prompt.words[ids(model, "red green")], said), expected)


def test_rows_do_not_depend_on_their_company_nor_on_earlier_calls(model):
    torch.manual_seed(0)
    prompt = SoftPrompt(model, "a red ring and", "a")
    vectors, said = torch.randn(3, 2, 16), ids(model, "green cross").expand(3, -1)
    first = prompt.logits(vectors, said)
    assert torch.equal(first, prompt.logits(vectors, said))
    assert torch.allclose(first[1:2], prompt.logits(vectors[1:2], said[1:2]), atol=1e-5)


def test_greedy_takes_the_likeliest_token_each_time(model):
    torch.manual_seed(1)
    prompt, vectors = SoftPrompt(model, "a red", "and a"), torch.randn(4, 3, 16)
    found = prompt.greedy(vectors, 3)
    assert torch.equal(prompt.logits(vectors, found).argmax(-1), found)


def test_the_gradient_is_the_slope_and_reaches_the_vectors_alone(model):
    torch.manual_seed(2)
    prompt = SoftPrompt(model, "a red", "a")
    vectors, said = torch.randn(1, 2, 16, requires_grad=True), ids(model, "green")
    prompt.loss(vectors, said).backward()
    way, step = torch.randn(1, 2, 16), 1e-2
    with torch.no_grad():
        ends = [prompt.loss(vectors + sign * step * way, said) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(
        float((vectors.grad * way).sum()), rel=2e-2, abs=1e-4
    )
    assert all(p.grad is None and not p.requires_grad for p in model.net.parameters())


def test_the_nearest_token_of_a_words_vector_is_the_word(model):
    prompt, said = SoftPrompt(model, "a", "a"), ids(model, "red cross and")
    assert torch.equal(prompt.nearest(3.0 * prompt.words[said]), said)


def test_a_model_that_continues_no_text_is_refused():
    with pytest.raises(ModelError, match="continues no text; give a causal model"):
        SoftPrompt(Model(nn.Linear(2, 2)), "a", "b")
