"""Masked edits act at the tokens of their mask, row by row, in a pass and in a generation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.masked import Masked, masked
from inscape.core.edit import Add, ProjectOut, Scope
from inscape.model.continuations import continuations
from inscape.model.model import Model
from tests.model.nets import D, net, tokenizer

TEXTS = ["the river rises in the mountain", "a good film of the capital"]


@pytest.fixture(scope="module")
def model() -> Model:
    network = net("llama")
    network.generation_config.eos_token_id = None
    return Model(network, tokenizer(), "toy")


def test_it_acts_at_its_tokens_alone():
    h = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, False, False], [False, True, True]])
    before = h.clone()
    (only,) = masked([ProjectOut(Scope("embed", phase="prompt"), torch.ones(1, 4))], mask)
    out = only.apply(h)
    assert torch.equal(h, before)
    assert torch.equal(out[~mask], h[~mask])
    assert out[mask].sum(dim=-1).abs().max() < 1e-5
    assert h[mask].sum(dim=-1).abs().max() > 0.1


def test_in_a_generation_it_is_what_a_tuple_of_positions_is(model):
    v = 6 * torch.linspace(-1, 1, D).sin()
    lengths = [len(t) for t in model.tokenize(TEXTS)]
    assert lengths[0] == lengths[1]
    add = Add(Scope("resid_post.0", phase="prompt"), v)
    rows = torch.zeros(2, lengths[0], dtype=torch.bool)
    rows[0, 1:3], rows[1, 3:5] = True, True
    found = continuations(model, TEXTS, 5, edits=masked([add], rows))
    plain = continuations(model, TEXTS, 5)
    for text, one, kept, places in zip(TEXTS, found, plain, [(1, 2), (3, 4)], strict=True):
        alone = continuations(
            model, [text], 5, edits=[Add(Scope("resid_post.0", places, "prompt"), v)]
        )
        assert one[0].ids.tolist() == alone[0][0].ids.tolist()
        assert one[0].logprobs == pytest.approx(alone[0][0].logprobs, abs=1e-4)
        assert np.abs(one[0].logprobs[0] - kept[0].logprobs[0]) > 1e-3


def test_refusals(model):
    mask = torch.zeros(1, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="phase must be 'prompt', got 'all'"):
        Masked(Scope("embed"), Add(Scope("embed")), mask)
    one = Masked(Scope("embed", phase="prompt"), Add(Scope("embed")), mask)
    with pytest.raises(ValueError, match="give one for the rows and tokens of the very batch"):
        one.apply(torch.zeros(1, 3, 1))
