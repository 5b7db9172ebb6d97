"""Modes are put back module by module; wrappers are taken off; what runs is what was written."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inscape.core.edit import Add, Scope
from inscape.core.errors import SiteError
from inscape.model.continuations import continuations
from inscape.model.open import open

from .nets import net, tokenizer
from .tiny import tiny


def _modes(network: nn.Module) -> list[bool]:
    return [module.training for module in network.modules()]


def test_every_modules_own_mode_is_put_back():
    network = net("gpt2").train()
    network.generation_config.eos_token_id = None
    network.transformer.h[1].eval()
    before = _modes(network)
    assert len(set(before)) == 2
    model = open(network, tokenizer=tokenizer())
    assert _modes(network) == before
    model.run("the river", "resid_post.1", logits=True)
    model.generate("the river", 2)
    continuations(model, ["the river"], 2)
    assert _modes(network) == before


def test_a_part_left_in_training_does_not_drop_out():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 2)).eval()
    network[1].train()
    model = open(network)
    x = torch.randn(3, 4)
    first = model.run(x, "module:1:out")["module:1:out"]
    torch.testing.assert_close(first, network[0](x).detach())
    assert network[1].training


def _plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval()


def _whole(network):
    return torch.compile(network, backend="eager")


def _part(network):
    network[1] = torch.compile(network[1], backend="eager")
    return network


def _in_place(network):
    network.compile(backend="eager")
    return network


@pytest.mark.parametrize("compiled", [_whole, _part, _in_place])
def test_edits_act_on_what_was_compiled_and_is_warm(compiled):
    network, x = compiled(_plain()), torch.randn(5, 3)
    with torch.no_grad():
        before = network(x)
    model = open(network)
    out = "module:2:out"
    torch.testing.assert_close(model.run(x, out)[out], before)
    v = torch.tensor([1.0, 2.0, 3.0, 4.0])
    plain = _plain()
    with torch.no_grad():
        want = plain[2](plain[1](plain[0](x) + v))
    found = model.run(x, out, edits=Add(Scope("module:0:out"), v))[out]
    torch.testing.assert_close(found, want)
    with torch.no_grad():
        torch.testing.assert_close(network(x), before)


@pytest.mark.parametrize(
    "carrier",
    [nn.DataParallel, torch.optim.swa_utils.AveragedModel, lambda n: nn.DataParallel(_whole(n))],
)
def test_carriers_are_taken_off(carrier):
    inner = net("gpt2")
    model = open(carrier(inner))
    assert type(model.net) is type(inner)
    assert model.family is not None
    assert model.weights_hash == open(inner).weights_hash


class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.GRUCell(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = torch.zeros(len(x), 4)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.out(h)


def test_a_module_called_more_often_later_is_refused_then():
    torch.manual_seed(0)
    network = Steps().eval()
    model, x = open(network), torch.randn(5, 6, 3)
    one = model.run(x[:, :1], "module:cell:out")["module:cell:out"]
    torch.testing.assert_close(one, network.cell(x[:, 0], torch.zeros(5, 4)).detach())
    for _ in range(2):
        with pytest.raises(SiteError, match="computed more than once"):
            model.run(x, "module:cell:out")
        model.run(x[:, :1], "module:cell:out")


@pytest.mark.parametrize("in_place", [False, True])
def test_gradients_are_at_the_tensor_that_was_captured(in_place):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=in_place), nn.Linear(4, 2)).eval()
    x = torch.randn(5, 3)
    made = network[0](x).detach()
    leaf = made.clone().requires_grad_()
    network[2](leaf.relu()).pow(2).sum().backward()
    found = open(network).run(x, "module:0:out", grad_of=lambda y: y.pow(2).sum())
    torch.testing.assert_close(found["module:0:out"], made)
    torch.testing.assert_close(next(iter(found.grads.values())), leaf.grad)


def test_a_tensor_overwritten_by_its_reader_has_no_gradient():
    network = nn.Sequential(nn.Linear(3, 4), nn.ReLU(inplace=True), nn.Linear(4, 2)).eval()
    with pytest.raises(SiteError, match="overwritten in place"):
        open(network).run(torch.randn(5, 3), "module:1:in", grad_of=lambda y: y.sum())


@pytest.mark.parametrize("name", ["mixtral", "deepseek_v3"])
def test_experts_in_float64_are_computed_one_after_another(name):
    network = tiny(name)
    single = open(network).run([[7, 3, 9, 5]], "resid_post.2")["resid_post.2"]
    model = open(network.double())
    assert model.certificate.passed
    double = model.run([[7, 3, 9, 5]], "resid_post.2")["resid_post.2"]
    torch.testing.assert_close(double.float(), single, atol=1e-4, rtol=1e-4)
    assert network.config._experts_implementation == "grouped_mm"
