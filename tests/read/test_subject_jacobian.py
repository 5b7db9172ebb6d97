"""The Jacobian of a prompt's last state in its subject's, against a slow clear version over the
whole prompt.
"""

from __future__ import annotations

import pytest
import torch
from tests.model import nets

from inscape.core.edit import Add, Replace, Scope
from inscape.model.connected import connected
from inscape.model.model import Model
from inscape.read.subject_jacobian import subject_jacobian

TEXT = "the capital of Paris is the river London in the sea"


def slow(model, ids, position, site, output):
    """One backward pass an output over every token, no cache."""
    shift = torch.zeros(nets.D, dtype=model.dtype, requires_grad=True)
    edit = Add(Scope(site, positions=(position,)), shift)
    (out,) = connected(model, ids, output, edits=edit).values()
    return torch.stack([torch.autograd.grad(v, shift, retain_graph=True)[0] for v in out[0, -1]])


@pytest.mark.parametrize("family", ["llama", "gemma2", "gpt2", "neox", "opt"])
@pytest.mark.parametrize("position", [0, 7])
def test_same_as_backward_passes_over_the_whole_prompt(family, position):
    model = Model(nets.net(family).double(), nets.tokenizer())
    tokens = model.tokenize([TEXT])[0]
    found = subject_jacobian(model, tokens, position, "resid_post.:2", "resid_post.2", chunk=10)
    ids = torch.from_numpy(tokens.ids)[None]
    plain = model.run({"input_ids": ids}, ["resid_post.0", "resid_post.1", "resid_post.2"])
    # norms of the Llama kind round to float32 inside
    close = {"atol": 1e-6, "rtol": 1e-5}
    assert [str(s) for s in found.sites] == ["resid_post.0", "resid_post.1"]
    assert torch.allclose(found.output, plain["resid_post.2"][0, -1], **close)
    for k, site in enumerate(("resid_post.0", "resid_post.1")):
        assert torch.allclose(found.states[k], plain[site][0, position], **close)
        expected = slow(model, ids, position, site, "resid_post.2")
        assert expected.abs().max() > 1e-3
        assert torch.allclose(found.jacobians[k], expected, **close)


def test_it_predicts_small_changes_and_not_large_ones():
    model = Model(nets.net("llama").double(), nets.tokenizer())
    tokens = model.tokenize([TEXT])[0]
    found = subject_jacobian(model, tokens, 4, "resid_post.0", "resid_post.2")
    direction = torch.randn(nets.D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def error(size):
        put = Replace(Scope("resid_post.0", positions=(4,)), found.states[0] + size * direction)
        after = model.run(TEXT, "resid_post.2", edits=put)["resid_post.2"][0, -1]
        true, guess = after - found.output, size * found.jacobians[0] @ direction
        return float((true - guess).norm() / true.norm())

    assert error(1e-3) < 0.01 < 0.2 < error(3.0)


def test_the_subject_at_the_output_itself_has_the_identity():
    model = Model(nets.net("llama"), nets.tokenizer())
    tokens = model.tokenize([TEXT])[0]
    found = subject_jacobian(model, tokens, len(tokens) - 1, "resid_post.2", "resid_post.2")
    assert torch.allclose(found.jacobians[0], torch.eye(nets.D), atol=1e-5)
    assert torch.allclose(found.states[0], found.output)


def test_refusals():
    model = Model(nets.net("llama"), nets.tokenizer())
    tokens = model.tokenize([TEXT])[0]
    with pytest.raises(ValueError, match="position 40 is not in a prompt"):
        subject_jacobian(model, tokens, 40, "resid_post.0", "resid_post.2")
    with pytest.raises(ValueError, match="one output site is needed"):
        subject_jacobian(model, tokens, 1, "resid_post.0", "resid_post.*")
    with pytest.raises(ValueError, match="does not depend on input"):
        subject_jacobian(model, tokens, 1, "resid_post.2", "resid_post.1")
