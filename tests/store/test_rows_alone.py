"""A harvest of a network whose rows depend on their batch is refused, with what to do; rounding and
padding are no such thing.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from inscape.core.errors import ModelError, SiteError
from inscape.model.model import Model
from inscape.store import rows_alone
from inscape.store.harvest import harvest
from tests.model.nets import VOCABULARY, net, tokenizer

WIDTH, EXPERTS = 8, 4


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


class Experts(nn.Module):
    """A mixture of experts, each of which takes its first so many tokens of a batch and drops the
    others."""

    def __init__(self, capacity: int | None):
        super().__init__()
        self.router = nn.Linear(WIDTH, EXPERTS)
        self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(EXPERTS))
        self.capacity = capacity

    def forward(self, x):
        flat = x.reshape(-1, WIDTH)
        chosen, out = self.router(flat).argmax(-1), torch.zeros_like(flat)
        for i, expert in enumerate(self.experts):
            taken = (chosen == i).nonzero()[: self.capacity, 0]
            out = out.index_copy(0, taken, expert(flat[taken]))
        return out.view_as(x)


class Net(nn.Module):
    """A network of arrays with something in its middle."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(WIDTH, WIDTH), inner, nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        h = self.first(x)
        return self.last(functional.gelu(h + self.inner(h)))


class Words(Net):
    """The same of token ids."""

    def __init__(self, inner: nn.Module):
        super().__init__(inner)
        self.embed = nn.Embedding(VOCABULARY, WIDTH)

    def forward(self, input_ids):
        return super().forward(self.embed(input_ids))


def arrays(rows: int = 40, positions: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, positions, WIDTH)).astype(np.float32)


def ids(rows: int = 40) -> list[list[int]]:
    rng = np.random.default_rng(1)
    return [
        rng.integers(3, VOCABULARY, size=int(n)).tolist() for n in rng.integers(3, 9, size=rows)
    ]


def alone(network: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return torch.cat([network(torch.from_numpy(row)[None])[:, -1] for row in x]).numpy()


@pytest.mark.parametrize("capacity", [10, 15])
def test_experts_of_fixed_capacity_are_refused_and_harvested_one_by_one(capacity):
    network, x = Net(Experts(capacity)).eval(), arrays()
    right = alone(network, x)
    with torch.no_grad():
        together = network(torch.from_numpy(x))[:, -1].numpy()
    assert np.abs(together - right).max() > 0.01
    model, site = Model(network), "module:last:out"
    with pytest.raises(ModelError, match=r"gives example \d+ other numbers in a batch of 40 than"):
        harvest(model, x, site, at="last", progress=False)
    stored = harvest(model, x, site, at="last", budget=1, progress=False)
    np.testing.assert_allclose(stored.matrix(site), right, atol=1e-5)
    first = harvest(model, x, "module:first:out", at="last", progress=False)  # before the experts
    with torch.no_grad():
        want = network.first(torch.from_numpy(x))[:, -1].numpy()
    np.testing.assert_allclose(first.matrix("module:first:out"), want, atol=1e-5)


def test_experts_of_fixed_capacity_over_tokens_are_refused():
    model, site = Model(Words(Experts(8)).eval(), tokenizer()), "module:last:out"
    with pytest.raises(ModelError, match=r"experts of fixed capacity, .* with budget=1"):
        harvest(model, ids(200), site, at="all", progress=False)
    found = harvest(model, ids(200), site, at="last", budget=1, progress=False)
    want = [model.run([row], site)[site][0, -1].numpy() for row in ids(200)]
    np.testing.assert_allclose(found.matrix(site), np.stack(want), atol=1e-5)


class Across(nn.Module):
    """Attention of an example to the others of its batch."""

    def forward(self, x):
        h = x.mean(1)
        return (functional.softmax(h @ h.T, -1) @ h)[:, None].expand_as(x)


class Centred(nn.Module):
    """Statistics of the batch, as a normalisation without running ones has them."""

    def forward(self, x):
        return (x - x.mean((0, 1))) / (x.std((0, 1), unbiased=False) + 1e-3)


@pytest.mark.parametrize("inner", [Across, Centred])
@pytest.mark.parametrize("kind", [Net, Words])
def test_what_reads_across_a_batch_is_refused(inner, kind):
    network, words = kind(inner()).eval(), None if kind is Net else tokenizer()
    given = arrays() if kind is Net else ids()
    with pytest.raises(SiteError, match="beside another one than alone .statistics of the batch"):
        harvest(Model(network, words), given, "module:last:out", at="last", progress=False)
    harvest(Model(network, words), given, "module:first:out", at="last", progress=False)


def test_a_normalisation_in_training_mode_is_read_in_evaluation_mode():
    inner = nn.Sequential(nn.Flatten(0, 1), nn.BatchNorm1d(WIDTH), nn.Unflatten(0, (-1, 3)))
    network, x = Net(inner), arrays()
    network(3 + 2 * torch.randn(50, 3, WIDTH))  # running statistics of other arrays
    site = "module:last:out"
    found = harvest(Model(network), x, site, at="last", progress=False).matrix(site)
    assert network.training
    np.testing.assert_allclose(found, alone(network.eval(), x), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_gives_each_example_its_own_rows_is_harvested(dtype):
    for network, given, words in (
        (Net(Experts(None)), arrays(300), None),
        (Words(Experts(None)), ids(300), tokenizer()),
    ):
        model = Model(network.eval().to(dtype), words)
        for at in ("last", "mean", "all"):
            harvest(model, given, "module:last:out", at=at, progress=False)


class Rounded(nn.Module):
    """What a batch of another size is rounded to, by a thousand times as much as usual."""

    def forward(self, x):
        return x if x.dtype == torch.float64 or len(x) < 3 else x * 1.01


def test_a_difference_that_is_gone_in_float64_is_rounding(monkeypatch):
    model, x, site = Model(Net(Rounded()).eval()), arrays(), "module:last:out"
    harvest(model, x, site, at="last", progress=False)
    monkeypatch.setattr(rows_alone, "_COPIED", 0)  # no copy is made
    with pytest.raises(ModelError, match="other numbers in a batch of 39 than alone"):
        harvest(model, x[1:], site, at="last", progress=False)


def test_half_precision_is_warned_of_where_no_copy_can_be_made(monkeypatch, caplog):
    model, x, site = Model(Net(Experts(10)).eval().bfloat16()), arrays(), "module:last:out"
    with pytest.raises(ModelError, match="other numbers in a batch of 40 than alone"):
        harvest(model, x, site, at="last", progress=False)
    monkeypatch.setattr(rows_alone, "_COPIED", 0)
    harvest(model, x[1:], site, at="last", progress=False)
    assert "with budget=1, one example a pass. In bfloat16 it may be rounding too" in caplog.text


def counting(model: Model, monkeypatch) -> list[int]:
    """Rows of each pass of a model from now on."""
    rows: list[int] = []
    run = model.run

    def counted(batch, *args, **kwargs):
        rows.append(len(batch))
        return run(batch, *args, **kwargs)

    monkeypatch.setattr(model, "run", counted)
    return rows


def test_a_look_costs_four_passes_of_one_example_and_comes_back_after_a_hundred_times_that(
    monkeypatch,
):
    model, site = Model(Net(nn.Identity()).eval()), "module:last:out"
    x = arrays(900, 1)
    rows = counting(model, monkeypatch)
    harvest(model, x, site, at="last", budget=10, progress=False)
    # the positions, the width, a pass and its look, a pass
    assert rows[:8] == [1, 1, 10, 1, 1, 1, 1, 10]
    assert rows.count(10) == 90
    assert rows.count(1) - 2 == 4 * 3  # looks: at the first, and each time behind 400 rows more
    own = len(rows)
    harvest(model, x[:100], site, at="last", budget=1, progress=False)
    assert rows[own:] == [1] * 101  # nothing is beside them


def test_a_network_of_a_built_in_table_is_not_looked_at(monkeypatch):
    model = Model(net("llama"))
    rows = counting(model, monkeypatch)
    harvest(model, [[5, 6, 7], [8, 9, 10], [4, 5, 6]], "resid_post.2", at="last", progress=False)
    assert rows == [3]
    own = net("llama")
    own.model.layers[1].mlp = Tokens(own.model.layers[1].mlp)
    changed = Model(own)
    with pytest.raises(ModelError, match="other numbers in a batch of 3 than alone"):
        harvest(changed, [[5, 6, 7], [8, 9, 10], [4, 5, 6]], "resid_post.2", progress=False)


class Tokens(nn.Module):
    """A part of the user's own in a network of a known family."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) - x.mean(0)
