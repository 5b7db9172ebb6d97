"""What a network carries from pass to pass is measured, and is afterwards as it was before."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from inscape.core.edit import Add, Scope
from inscape.model.model import Model
from inscape.model.open import open
from inscape.model.pass_state import put_back
from inscape.store.harvest import harvest

WIDTH = 6


class Attribute(nn.Module):
    """A recurrent network that begins where it ended."""

    def __init__(self):
        super().__init__()
        self.inner, self.out = nn.GRU(WIDTH, WIDTH, batch_first=True), nn.Linear(WIDTH, 2)
        self.last = None

    def forward(self, x):
        begin = None if self.last is None else self.last.mean(1, keepdim=True)
        y, last = self.inner(x, None if begin is None else begin.expand(1, len(x), WIDTH).clone())
        self.last = last.detach()
        return self.out(y)


class Buffer(Attribute):
    """The same, its state written into a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(1, 1, WIDTH), persistent=False)

    def forward(self, x):
        y, last = self.inner(x, self.state.expand(1, len(x), WIDTH).clone())
        self.state.copy_(last.mean(1, keepdim=True))
        return self.out(y)


class Held:
    """An object of the user's own."""

    def __init__(self):
        self.sum = torch.zeros(WIDTH)


class Listed(Attribute):
    """A network that counts and keeps what it saw in a list and in an object."""

    def __init__(self):
        super().__init__()
        self.seen, self.count, self.held = [], 0, Held()

    def forward(self, x):
        self.count += 1
        self.seen.append(x.mean((0, 1)))
        self.held.sum += x.mean((0, 1))
        return self.out(x + torch.stack(self.seen).sum(0) + self.count + self.held.sum)


NETS = (Attribute, Buffer, Listed)


def made(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().eval()


def arrays(rows: int = 4) -> torch.Tensor:
    return torch.randn(rows, 5, WIDTH, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("begun", [False, True])
def test_a_pass_is_that_of_the_state_it_begins_in_and_leaves_it(kind, begun):
    network, x = made(kind), arrays()
    with torch.no_grad():
        if begun:
            network(arrays(3) * 2)
        want, moved = copy.deepcopy(network)(x), copy.deepcopy(network)
        moved.out.register_forward_pre_hook(lambda _m, args: (args[0] + 1,))
        edited = moved(x)
        later = copy.deepcopy(network)
        assert not torch.equal(later(x), later(x))  # it does carry something
    model = open(network)
    for _ in range(2):
        torch.testing.assert_close(model.run(x, "module:out:out")["module:out:out"], want)
        edit = Add(Scope("module:out:in"), torch.ones(WIDTH))
        torch.testing.assert_close(model.run(x, logits=True, edits=edit).logits, edited)
    with torch.no_grad():
        torch.testing.assert_close(network(x), want)


@pytest.mark.parametrize("kind", [Attribute, Buffer])
def test_rows_of_a_harvest_do_not_depend_on_the_batches_before(kind):
    network, x, site = made(kind), arrays(40), "module:out:out"
    with torch.no_grad():
        network(arrays(3) * 2)
        want = copy.deepcopy(network)(x)[:, -1].numpy()
    found = harvest(open(network), x.numpy(), site, at="last", budget=20, progress=False)
    np.testing.assert_allclose(found.matrix(site), want, atol=1e-5)


class Noting(nn.Module):
    """A network that keeps a map of its last pass, which nothing reads."""

    def __init__(self):
        super().__init__()
        self.part = nn.Linear(WIDTH, 2)

    def forward(self, x):
        self.map = self.part(x)
        return self.map


def test_what_is_noted_and_not_read_is_left_to_the_network():
    network, x = made(Noting), arrays()
    model = Model(network)
    for y in (x, x + 1):
        acts = model.run(y, "module:part:out")
        torch.testing.assert_close(network.map, acts["module:part:out"])


def test_random_numbers_of_the_caller_are_not_drawn_by_trials():
    class Random(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Linear(WIDTH, WIDTH)

        def forward(self, x):
            return self.part(x) + torch.rand(())

    network, x = made(Random), arrays()
    torch.manual_seed(3)
    with torch.no_grad():
        want = network(x)
    after = torch.random.get_rng_state()
    torch.manual_seed(3)
    edit = Add(Scope("module:part:in"), torch.zeros(WIDTH))
    torch.testing.assert_close(open(network).run(x, logits=True, edits=edit).logits, want)
    assert torch.equal(torch.random.get_rng_state(), after)


def test_everything_is_put_back_whatever_is_raised():
    network = made(Listed)
    network.register_buffer("table", torch.arange(4.0))
    network.named, network.chosen = {"a": [1]}, {3}
    with pytest.raises(KeyError), put_back(network) as changed:
        assert not changed()
        network.table += 1
        network.named["a"].append(2)
        network.named["b"] = 0
        network.chosen.add(4)
        network.new = torch.ones(2)
        del network.count
        assert changed()
        raise KeyError
    assert network.table.tolist() == [0, 1, 2, 3]
    assert (network.named, network.chosen, network.count) == ({"a": [1]}, {3}, 0)
    assert not hasattr(network, "new")
