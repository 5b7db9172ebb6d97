"""The detached Jacobian reproduces a prompt's state exactly where there are no biases, and the
ordinary one does not.
"""

from __future__ import annotations

import pytest
import torch
from tests.model import nets

from inscape.model.model import Model
from inscape.read.detached_jacobian import local_map, stable_rank

TEXT = "the river rises in the sea"


def without_biases(family, dtype=torch.float32):
    net = nets.net(family)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    return Model(net.to(dtype), nets.tokenizer())


def last(model):
    return "final_norm" if model.atlas.final_norm is not None else f"resid_post.{nets.LAYERS - 1}"


@pytest.mark.parametrize("family", [*nets.CAUSAL, "bert"])
def test_it_gives_the_state_back_in_both_precisions(family):
    for dtype, bound in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
        model = without_biases(family, dtype)
        tokens = model.tokenize([TEXT])[0]
        assert local_map(model, tokens, last(model)).residual < bound
        assert local_map(model, tokens, last(model), detach=False).residual > 0.2


def test_biases_are_the_residual():
    model = Model(nets.net("gpt2").double(), nets.tokenizer())
    tokens = model.tokenize([TEXT])[0]
    assert local_map(model, tokens).residual > 0.05
    assert local_map(without_biases("gpt2", torch.float64), tokens).residual < 1e-12


def test_the_output_is_the_networks_own_and_a_sketch_is_part_of_the_whole():
    model = without_biases("llama")
    tokens = model.tokenize([TEXT])[0]
    found = local_map(model, tokens, "resid_post.1")
    assert torch.allclose(
        found.output, model.run(TEXT, "resid_post.1")["resid_post.1"][0, -1], atol=1e-5
    )
    assert torch.allclose(found.inputs, model.run(TEXT, "resid_pre.0")["resid_pre.0"][0])
    u = torch.randn(3, nets.D, generator=torch.Generator().manual_seed(0))
    sketch = local_map(model, tokens, "resid_post.1", directions=u)
    assert torch.allclose(
        sketch.jacobians, torch.einsum("mk,ktd->mtd", u, found.jacobians), atol=1e-5
    )
    assert torch.allclose(sketch.output, u @ found.output, atol=1e-5)
    assert sketch.residual < 1e-5


def test_singular_vectors_give_the_map_back():
    model = without_biases("llama")
    found = local_map(model, model.tokenize([TEXT])[0])
    for token, matrix in ((None, found.whole), (2, found.jacobians[:, 2])):
        u, s, v = found.svd(token)
        assert torch.allclose((u * s) @ v, matrix.double(), atol=1e-9)
        assert 1 <= stable_rank(s) <= len(s)
    for token in (None, 2):
        u, s, v = found.leading(3, token)
        exact = found.svd(token)
        assert torch.allclose(s, exact[1], atol=1e-6 * float(s[0]))
        for ours, theirs in ((u.T, exact[0][:, :3]), (v, exact[2][:3].T)):
            turned = (ours @ theirs).abs()
            assert torch.allclose(turned, torch.eye(3, dtype=torch.float64), atol=1e-6)


def test_no_token_depends_on_a_later_one():
    model = without_biases("llama")
    found = local_map(model, model.tokenize([TEXT])[0])
    assert (found.jacobians.flatten(2).norm(dim=(0, 2)) > 0).all()
    assert found.jacobians.shape == (nets.D, 6, nets.D)


def test_stable_rank():
    assert stable_rank(torch.ones(5)) == pytest.approx(5.0)
    assert stable_rank(torch.tensor([3.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert stable_rank(torch.tensor([2.0, 1.0])) == pytest.approx(
        stable_rank(torch.tensor([4.0, 2.0]))
    )
    with pytest.raises(ValueError, match="every singular value is zero"):
        stable_rank(torch.zeros(3))
    with pytest.raises(ValueError, match="one output site is needed"):
        local_map(
            without_biases("llama"), without_biases("llama").tokenize([TEXT])[0], "resid_post.*"
        )
