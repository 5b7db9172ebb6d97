"""Gates held constant: values stay, the map becomes linear, each rule is needed, and nothing is
left behind.
"""

from __future__ import annotations

import pytest
import torch

from inscape.core.errors import ModelError
from inscape.model.detach import RULES, detached, gated
from inscape.model.model import Model
from inscape.read.detached_jacobian import local_map
from tests.model import nets

IDS = torch.tensor([[5, 9, 14, 7, 11]])


@pytest.mark.parametrize("family", [*nets.CAUSAL, "bert"])
def test_values_stay_and_every_hook_goes(family):
    model = Model(nets.net(family), nets.tokenizer())
    before = model.run({"input_ids": IDS}, "resid_post.2")["resid_post.2"]
    with detached(model):
        assert nets.live_hooks(model.net) > 0
        inside = model.run({"input_ids": IDS}, "resid_post.2")["resid_post.2"]
    assert torch.allclose(inside, before, atol=1e-5)
    assert nets.live_hooks(model.net) == 0
    assert torch.equal(model.run({"input_ids": IDS}, "resid_post.2")["resid_post.2"], before)


def test_what_is_raised_inside_leaves_nothing_behind():
    model = Model(nets.net("gpt2"), nets.tokenizer())
    with pytest.raises(RuntimeError, match="inside"), detached(model):
        raise RuntimeError("inside")
    assert nets.live_hooks(model.net) == 0


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_every_rule_is_needed(family):
    net = nets.net(family).double()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    model = Model(net, nets.tokenizer())
    tokens = model.tokenize(["the river rises in the sea ."])[0]
    assert local_map(model, tokens).residual < 1e-12
    for left_out in RULES:
        rest = [rule for rule in RULES if rule != left_out]
        with detached(model, rest):
            assert local_map(model, tokens, detach=False).residual > 1e-3, left_out


def test_which_models_are_gated():
    assert gated(Model(nets.net("llama")))
    assert gated(Model(nets.net("gemma3")))
    assert not gated(Model(nets.net("gpt2")))
    assert not gated(Model(torch.nn.Linear(2, 2)))


def test_refusals():
    model = Model(nets.net("llama"), nets.tokenizer())
    with (
        pytest.raises(ValueError, match="rules must be among norm, attention, mlp, got gate"),
        detached(model, ["gate"]),
    ):
        pass
    with (
        pytest.raises(ModelError, match="text models of a known family"),
        detached(Model(nets.net("vit"))),
    ):
        pass
