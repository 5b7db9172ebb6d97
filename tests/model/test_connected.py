"""Forward passes that keep their graph: the values of a plain pass, derivatives that finite
differences confirm.
"""

from __future__ import annotations

import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError, SiteError
from inscape.model.connected import connected, prefix_cache
from inscape.model.model import Model
from tests.model import nets

IDS = torch.tensor([[5, 9, 14, 7, 11, 4]])


@pytest.mark.parametrize("family", [*nets.CAUSAL, "bert"])
def test_values_are_those_of_a_plain_pass(family):
    model = Model(nets.net(family), nets.tokenizer())
    sites = ["resid_post.0", "z.1", "resid_post.2"]
    plain = model.run({"input_ids": IDS}, sites)
    for site, x in connected(model, IDS, sites).items():
        assert x.requires_grad
        assert torch.allclose(x, plain[site], atol=1e-5), site
    assert nets.live_hooks(model.net) == 0


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "neox", "opt"])
def test_behind_a_cache_the_numbers_are_those_of_the_whole(family):
    model = Model(nets.net(family), nets.tokenizer())
    whole = connected(model, IDS, "resid_post.2")
    part = connected(model, IDS[:, 4:], "resid_post.2", cache=prefix_cache(model, IDS[:, :4]))
    (a,), (b,) = whole.values(), part.values()
    assert b.shape == (1, 2, nets.D)
    assert torch.allclose(b, a[:, 4:], atol=1e-5)
    assert prefix_cache(model, IDS[:, :0]) is None


def test_an_edit_is_where_derivatives_begin():
    model = Model(
        nets.net("gpt2").double(), nets.tokenizer()
    )  # the Llama kind rounds to float32 in its norms
    shift = torch.zeros(nets.D, dtype=torch.float64, requires_grad=True)

    def last(v):
        edit = Add(Scope("resid_post.0", positions=(1,)), v)
        (out,) = connected(model, IDS, "resid_post.2", edits=edit).values()
        return out[0, -1, 0]

    slope = torch.autograd.grad(last(shift), shift)[0][3]
    step = torch.zeros(nets.D, dtype=torch.float64)
    step[3] = 1e-5
    assert slope.item() == pytest.approx((last(step) - last(-step)).item() / 2e-5, rel=1e-6)
    assert slope.abs() > 1e-6


def test_mode_and_hooks_are_left_as_they_were():
    model = Model(nets.net("llama"), nets.tokenizer())
    model.net.train()
    with pytest.raises(SiteError):
        connected(model, IDS, "resid_post.2", edits=Add(Scope("resid_post.1"), torch.zeros(3)))
    assert model.net.training
    assert nets.live_hooks(model.net) == 0


def test_refusals():
    with pytest.raises(ModelError, match="not causal"):
        prefix_cache(Model(nets.net("bert"), nets.tokenizer()), IDS)
    with pytest.raises(ModelError, match="text models of a known family"):
        connected(Model(nets.net("vit")), IDS, "resid_post.0")
    with pytest.raises(SiteError, match="not computed in the body"):
        connected(Model(nets.net("llama"), nets.tokenizer()), IDS, "logits")
