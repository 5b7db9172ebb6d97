"""Token losses: those of each text alone, and of the tokens asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.core.errors import DataError
from inscape.outcomes.token_losses import token_losses
from tests.store.conftest import llama, sentences


def test_losses_are_those_of_each_text_alone():
    model, texts = llama(), sentences(12).texts()
    found = token_losses(model, texts, budget=40)
    for text, nats, count in zip(texts, found.nats, found.tokens, strict=True):
        ids = torch.from_numpy(model.tokenize([text])[0].ids)
        logs = model.run(ids[None], logits=True).logits[0].log_softmax(dim=-1)
        slow = -logs[range(len(ids) - 1), ids[1:]]
        assert nats == pytest.approx(float(slow.sum()), rel=1e-4)
        assert count == len(ids) - 1
    assert found.perplexity == pytest.approx(np.exp(found.nats.sum() / found.tokens.sum()))
    assert 30 < found.perplexity < 130  # of an untrained network over 64 words


def test_only_what_follows_is_counted_and_edits_act():
    model, texts = llama(), ["w1 w2 w3 w4", "w5 w6 w7 w8 w9"]
    whole, head = token_losses(model, texts), token_losses(model, ["w1 w2", "w5 w6"])
    tail = token_losses(model, texts, after=[3, 3])
    assert tail.nats == pytest.approx(whole.nats - head.nats, rel=1e-4)
    assert tail.tokens.tolist() == [2, 3]
    push = Add(Scope("resid_post.1"), 5 * torch.ones(24).cumsum(0).sin())
    pushed = token_losses(model, texts, edits=lambda rows: [push] if 0 in rows else [], budget=1)
    assert pushed.nats[1] == pytest.approx(whole.nats[1])
    assert abs(pushed.nats[0] - whole.nats[0]) > 0.01
    with pytest.raises(DataError, match="text 1 has no token to predict"):
        token_losses(model, texts, after=[2, 6])


def test_texts_are_a_list_of_one_kind_with_a_position_each():
    model, texts = llama(), ["w1 w2 w3 w4", "w5 w6 w7 w8 w9"]
    for given in ("w1 w2", [texts[0], model.tokenize(texts)[1]]):
        with pytest.raises(ValueError, match="give a list of texts, or one of tokens, not both"):
            token_losses(model, given)
    with pytest.raises(ValueError, match="after must give a position for each of 2 texts, got 1"):
        token_losses(model, texts, after=[2])
