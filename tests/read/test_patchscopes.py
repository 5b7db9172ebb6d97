"""Patchscopes through a callable that patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.model import nets

from inscape.core.edit import Replace, Scope
from inscape.model.model import Model
from inscape.read.patchscopes import patchscope


def test_states_that_name_their_token_are_read_and_shuffled_ones_are_not():
    weight = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    weight = weight / weight.norm(dim=1, keepdim=True)
    x, targets = weight[:12] * 5, np.arange(12)
    found = patchscope(lambda h: h @ weight.T, x, targets, batch=5)
    assert (found.rank == 0).all()
    assert (found.tokens[:, 0] == targets).all()
    shuffled = patchscope(lambda h: h @ weight.T, x, np.roll(targets, 1))
    assert (shuffled.rank > 0).all()
    assert (shuffled.surprisal > found.surprisal).all()


def test_a_mapping_is_applied_first():
    x = np.eye(4, dtype=np.float32)
    found = patchscope(lambda h: h, x, np.arange(4), mapping=lambda h: h.flip(1))
    assert found.tokens[:, 0].tolist() == [3, 2, 1, 0]


def test_patching_a_prompts_own_state_back_changes_nothing():
    """The identity in a real network: the target's own state at the placeholder, put back, gives
    its own answer.
    """
    model = Model(nets.net("llama"))
    prompt, place, site = torch.tensor([[5, 9, 14, 7, 9]]), 2, "resid_post.0"

    def patched(h):
        edit = Replace(Scope(site, (place,)), h[:, None])
        last = torch.full((len(h), 1), prompt.shape[1] - 1)
        return model.run(prompt.expand(len(h), -1), edits=edit, logits=True, at=last).logits[:, 0]

    own = model.run(prompt, site, logits=True)
    x = torch.stack([own[site][0, place], own[site][0, place] + 3.0])
    found = patchscope(patched, x, k=nets.VOCABULARY)
    plain = torch.log_softmax(own.logits[0, -1], -1)
    order = torch.from_numpy(found.tokens[0])
    assert torch.allclose(torch.from_numpy(found.log_probs[0]), plain[order], atol=1e-5)
    assert np.abs(found.log_probs[1] - found.log_probs[0]).max() > 1e-2
    assert (found.rank == -1).all()


def test_batches_change_nothing():
    weight, x = torch.randn(30, 6), torch.randn(11, 6)
    a, b = (patchscope(lambda h: h @ weight.T, x, np.arange(11), batch=n) for n in (3, 64))
    for ours, theirs in zip(a, b, strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match=r"x must be \(n, d\) with a row or more"):
        patchscope(lambda h: h, np.zeros(3))
    with pytest.raises(ValueError, match="one for each of 2 states"):
        patchscope(lambda h: h, np.zeros((2, 3)), [1])
