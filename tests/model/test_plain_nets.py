"""Networks of no family: convolutions, recurrent nets, plain MLPs, through
``module:PATH:in|out``.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError, SiteError
from inscape.model.open import open
from tests.model.nets import live_hooks


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 36, 5)
    )


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.GRU(3, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x):
        return self.out(self.rnn(x)[0])


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.cell(self.cell(x).relu()))


def test_a_cnn_is_captured_before_its_in_place_activation():
    net = cnn()
    model = open(net)
    x = torch.randn(2, 3, 8, 8)
    acts = model.run(x, ["module:0:out", "module:1:out", "module:3:in"])
    torch.testing.assert_close(acts["module:0:out"], net[0](x))
    assert acts["module:0:out"].min() < 0
    torch.testing.assert_close(acts["module:1:out"], net[0](x).relu())
    torch.testing.assert_close(model.run(x, logits=True).logits, net(x))
    assert live_hooks(net) == 0


def test_a_recurrent_net_and_an_mlp():
    net = Recurrent()
    x = torch.randn(2, 5, 3)
    acts = open(net).run(x, "module:rnn:out", at=torch.tensor([[4], [0]]))
    torch.testing.assert_close(acts["module:rnn:out"][:, 0], net.rnn(x)[0][[0, 1], [4, 0]])
    mlp = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    model = open(mlp)
    y, push = torch.randn(6, 3), torch.tensor([1.0, 0, 0, -1.0])
    base, out = (
        model.run(y, "module:1:out"),
        model.run(y, logits=True, edits=Add(Scope("module:1:out"), push)),
    )
    torch.testing.assert_close(out.logits, mlp[2](base["module:1:out"] + push))


def test_a_module_called_twice_is_refused():
    with pytest.raises(SiteError, match="module:cell:out is computed more than once"):
        open(Shared()).run(torch.randn(2, 4), "module:cell:out")


def test_a_wrong_path_is_answered_with_close_names():
    model = open(Recurrent())
    with pytest.raises(SiteError, match="no site matches 'module:rn:out'.*module:rnn:out"):
        model.run(torch.randn(1, 2, 3), "module:rn:out")
    with pytest.raises(SiteError, match="no site matches 'resid_post.0'"):
        model.run(torch.randn(1, 2, 3), "resid_post.0")
    with pytest.raises(ModelError, match="nothing was asked for"):
        model.run(torch.randn(1, 2, 3))


def test_training_mode_is_put_back():
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2)).train()
    net[2].eval()
    model = open(net)
    x = torch.randn(4, 3)
    first, second = (model.run(x, logits=True).logits for _ in range(2))
    torch.testing.assert_close(first, second)
    assert (net.training, net[1].training, net[2].training) == (True, True, False)


def test_untrained_copies_are_fresh_and_reproducible():
    model = open(Recurrent())
    x = torch.randn(1, 4, 3)
    state = torch.random.get_rng_state()
    runs = [model.untrained(s).run(x, logits=True).logits for s in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.testing.assert_close(runs[0], runs[1])
    assert not torch.allclose(runs[0], runs[2])
    assert not torch.allclose(runs[0], model.run(x, logits=True).logits)


def test_a_bare_parameter_cannot_be_drawn_afresh():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return x * self.scale

    with pytest.raises(ModelError, match="no untrained copy can be made: scale"):
        open(Bare()).untrained()


def test_what_a_network_cannot_run_is_one_sentence():
    network = nn.Sequential(nn.Linear(4, 3))
    model = open(network)
    with pytest.raises(ModelError, match="Sequential does not run on these inputs .mat1 and mat2"):
        model.run(torch.randn(2, 5), "module:0:out")
    x = torch.randn(2, 4)
    torch.testing.assert_close(model.run(x, "module:0:out")["module:0:out"], network(x).detach())


def test_a_module_that_gives_no_tensor_says_where_one_is():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(4, 4)

        def forward(self, x):
            return {"deep": {"h": self.l(x)}}

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.out = Inner(), nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.a(x)["deep"]["h"])

    network, x = Outer(), torch.randn(3, 4)
    model = open(network)
    with pytest.raises(SiteError, match=r"no tensor there \(found dict\); capture a module inside"):
        model.run(x, "module:a:out")
    right = network.a.l(x).detach()
    torch.testing.assert_close(model.run(x, "module:a.l:out")["module:a.l:out"], right)
    torch.testing.assert_close(model.run(x, "module:out:in")["module:out:in"], right)


@dataclass
class Held:
    h: torch.Tensor
    count: int = 3


def test_a_module_that_gives_a_record_is_read_and_edited():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.l = nn.Linear(4, 4)

        def forward(self, x):
            return Held(self.l(x))

    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.out = Inner(), nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.a(x).h)

    network, x = Outer(), torch.randn(3, 4)
    model, site = open(network), "module:a:out"
    right = network.a.l(x).detach()
    torch.testing.assert_close(model.run(x, site)[site], right)
    found = model.run(x, "module:out:out", edits=Add(Scope(site), torch.ones(4)))
    torch.testing.assert_close(found["module:out:out"], network.out(right + 1).detach())
