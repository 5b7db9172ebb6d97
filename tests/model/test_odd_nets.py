"""Networks written by hand in unusual ways: no tensor stands for another one, and no edit is made
in silence where it changes nothing.
"""

from __future__ import annotations

import threading
import time

import pytest
import torch
import transformers as t
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from inscape.core.edit import Add, Replace, Scope
from inscape.core.errors import ModelError, SiteError, StoreError
from inscape.model.model import Model
from inscape.model.open import open
from inscape.store.harvest import harvest
from tests.model.nets import live_hooks, tokenizer

WIDTH = 8


@pytest.fixture(autouse=True)
def seeded(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def arrays(rows: int = 3, positions: int = 5) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randn(rows, positions, WIDTH, generator=draw)


# --- which argument a module reads


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden, mask=None):
        return self.inner(hidden) * (1 if mask is None else mask[..., None])


class ByName(nn.Module):
    """A network that calls its module by keywords, not in the order in which it takes them."""

    def __init__(self):
        super().__init__()
        self.part, self.out = Masked(), nn.Linear(WIDTH, 2)

    def forward(self, x):
        return self.out(self.part(mask=x[..., 0] * 0 + 0.5, hidden=x))


class Crossed(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)

    def forward(self, x):
        return self.attention(value=x, key=x, query=self.query(x), need_weights=False)[0]


def test_the_input_of_a_module_is_what_its_forward_names_first():
    network, x = ByName().eval(), arrays()
    model, site = open(network), "module:part:in"
    torch.testing.assert_close(model.run(x, site)[site], x)
    found = model.run(x, logits=True, edits=Add(Scope(site), torch.ones(WIDTH))).logits
    torch.testing.assert_close(found, network.out(0.5 * network.part.inner(x + 1)).detach())
    network = Crossed().eval()
    model, site = open(network), "module:attention:in"
    query = network.query(x).detach()
    torch.testing.assert_close(model.run(x, site)[site], query)
    found = model.run(x, logits=True, edits=Add(Scope(site), torch.ones(WIDTH))).logits
    torch.testing.assert_close(found, network.attention(query + 1, x, x)[0].detach())


def test_tensors_in_a_list_are_not_passed_over_for_a_mask_behind_them():
    class Joined(nn.Module):
        def forward(self, parts, mask):
            return torch.cat(parts, -1) * mask[..., None]

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.joined, self.out = Joined(), nn.Linear(2 * WIDTH, 2)

        def forward(self, x):
            return self.out(self.joined([x, x], mask=x[..., 0]))

    with pytest.raises(SiteError, match="Joined takes no tensor as its first argument"):
        open(Network().eval()).run(arrays(), "module:joined:in")


# --- axes


class Turned(nn.Module):
    """A text network of two inputs that lays positions first inside."""

    def __init__(self):
        super().__init__()
        self.words, self.kinds = nn.Embedding(24, WIDTH), nn.Embedding(3, WIDTH)
        self.inner, self.never = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, input_ids, segment):
        x = (self.words(input_ids) + self.kinds(segment)).transpose(0, 1)
        return self.inner(x).transpose(0, 1)


@pytest.mark.parametrize("length", [3, 5])
def test_a_text_network_of_several_inputs_has_its_examples_first(length):
    network = Turned().eval()
    model, site = open(network, tokenizer=tokenizer()), "module:inner:out"
    ids = torch.arange(3 * length).view(3, length) % 20 + 4
    given = {"input_ids": ids, "segment": ids % 3}
    with torch.no_grad():
        want = network(**given)
    torch.testing.assert_close(model.run(given, site)[site], want)
    at = torch.tensor([[0], [2], [1]])
    torch.testing.assert_close(model.run(given, site, at=at)[site][:, 0], want[[0, 1, 2], at[:, 0]])
    edit = Add(Scope(site, positions=(1,)), torch.ones(WIDTH))
    moved = model.run(given, site, edits=edit)[site] - want
    assert moved.abs().sum(-1).nonzero().tolist() == [[0, 1], [1, 1], [2, 1]]
    with pytest.raises(SiteError, match="module:never:out is not computed in a forward pass"):
        model.run(given, logits=True, edits=Add(Scope("module:never:out"), torch.ones(WIDTH)))


def test_axes_found_for_positions_are_not_those_of_inputs_without_any():
    model, site = open(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())), "module:0:out"
    x = arrays()
    last = Add(Scope(site, positions=(-1,)), torch.ones(WIDTH))
    moved = model.run(x, site, edits=last)[site] - model.run(x, site)[site]
    torch.testing.assert_close(moved[:, -1], torch.ones_like(moved[:, -1]))
    assert not moved[:, :-1].any()
    with pytest.raises(
        SiteError, match=r"\(3, 8\), in which no axis is shown to be the positions'"
    ):
        model.run(x[:, 0], site, edits=last)
    kept = model.run(x, site, at=torch.tensor([[0], [1], [2]]))[site]
    torch.testing.assert_close(kept[:, 0], model.net[0](x)[[0, 1, 2], [0, 1, 2]].detach())


def test_an_expert_that_the_trial_does_not_reach_is_not_harvested_as_if_its_rows_were_examples():
    class Routed(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))

        def forward(self, x):
            flat, out = x.flatten(0, 1), torch.zeros_like(x).flatten(0, 1)
            for expert, rows in zip(self.experts, (flat[:, 0] < 5, flat[:, 0] > 5), strict=True):
                if rows.any():
                    out[rows] = expert(flat[rows])
            return out.view_as(x)

    x = arrays(6)
    x[4:, :4, 0] = 9.0  # rows of the last examples alone reach the second expert
    with pytest.raises((SiteError, ModelError), match="experts.1:out"):
        harvest(open(Routed().eval()), x.numpy(), "module:experts.1:out", at="last")


def test_padding_that_makes_nested_tensors_is_refused_inside_and_sound_behind():
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True)
            self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(WIDTH, 2)

        def forward(self, x, padding):
            return self.out(self.encoder(x, src_key_padding_mask=padding))

    network = Padded().eval()
    padding = torch.zeros(3, 5, dtype=torch.bool)
    padding[0, 3:] = True
    given = {"x": arrays(), "padding": padding}
    model = open(network)
    with pytest.warns(UserWarning, match="nested tensors"):
        found = model.run(given, "module:encoder:out")["module:encoder:out"]
    with torch.no_grad():
        torch.testing.assert_close(network.out(found), network(**given))
    with pytest.raises(SiteError, match="is a nested tensor.*enable_nested_tensor=False"):
        model.run(given, "module:encoder.layers.1:out")
    edit = Add(Scope("module:encoder.layers.0:out"), torch.ones(WIDTH))
    with pytest.raises(SiteError, match="is a nested tensor"):
        model.run(given, logits=True, edits=edit)


# --- calls, edits, inputs


class MineConfig(t.PretrainedConfig):
    model_type = "mine"


class Mine(t.PreTrainedModel):
    """A network of the user's own in transformers' clothes, whose loop is as long as its input."""

    config_class = MineConfig
    main_input_name = "x"

    def __init__(self, config):
        super().__init__(config)
        self.cell = nn.Linear(WIDTH, WIDTH)
        self.post_init()

    def forward(self, x):
        state = torch.zeros_like(x[:, 0])
        for step in range(x.shape[1]):
            state = self.cell(x[:, step] + state).tanh()
        return state


def test_a_loop_of_ones_own_in_a_class_of_transformers_is_not_stopped_at_its_first_call():
    model, x, site = open(Mine(MineConfig()).eval()), arrays(), "module:cell:out"
    one = model.run(x[:, :1], site)[site]
    torch.testing.assert_close(one, model.net.cell(x[:, 0]).detach())
    with pytest.raises(SiteError, match="computed more than once"):
        model.run(x, site)


def test_a_value_put_in_place_is_not_written_into_by_what_reads_it():
    network = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(inplace=True), nn.Linear(WIDTH, 2))
    model, x = open(network.eval()), arrays()[:, 0]
    row = torch.linspace(-1, 1, WIDTH)
    for value in (row, row * torch.arange(1, 4)[:, None]):
        before = value.clone()
        found = model.run(x, logits=True, edits=Replace(Scope("module:0:out"), value)).logits
        want = network[2](before.relu()).detach().expand(3, 2)
        torch.testing.assert_close(found, want)
        assert torch.equal(value, before)


def test_inputs_of_different_numbers_of_examples_are_one_sentence():
    class Graph(nn.Module):
        def __init__(self):
            super().__init__()
            self.send = nn.Linear(WIDTH, WIDTH)

        def forward(self, x, edges):
            return x.index_add(0, edges[1], self.send(x)[edges[0]])

    given = {"x": arrays()[0], "edges": torch.tensor([[0, 1], [1, 2]])}
    with pytest.raises(ModelError, match=r"different numbers of them \(x \(5, 8\), edges \(2, 2\)"):
        Model(Graph()).run(given, "module:send:out")


# --- gradients, threads


class Checkpointed(nn.Module):
    """Blocks whose insides are computed again for derivatives."""

    def __init__(self, reentrant: bool | None):
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(2)
        )
        self.reentrant = reentrant

    def forward(self, x):
        for block in self.blocks:
            if self.reentrant is None:
                x = block(x)
            else:
                x = checkpoint(block, x, use_reentrant=self.reentrant)
        return x


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(
    "site", ["blocks.0:out", "blocks.1.0:in", "blocks.1.0:out", "blocks.1.1:out"]
)
def test_derivatives_through_checkpointing_are_those_under_the_edit(site, frozen):
    found = []
    edit = Add(Scope("module:blocks.1.0:out"), 2 * torch.ones(WIDTH))
    network = Checkpointed(None).eval().requires_grad_(not frozen)
    for reentrant in (None, False):
        network.reentrant = reentrant
        acts = open(network).run(
            arrays(), f"module:{site}", edits=edit, grad_of=lambda y: y.pow(2).sum()
        )
        found.append(next(iter(acts.grads.values())))
    torch.testing.assert_close(*found)
    network.reentrant = True
    with pytest.raises(SiteError, match=r"has no gradient: .*use_reentrant=False"), ignored():
        open(network).run(arrays(), f"module:{site}", edits=edit, grad_of=lambda y: y.sum())
    assert live_hooks(network) == 0


def ignored():
    """PyTorch's own warning that a reentrant checkpoint records nothing."""
    return pytest.warns(UserWarning, match="None of the inputs have requires_grad")


def test_what_is_computed_without_a_graph_has_no_gradient():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Linear(WIDTH, 2)

        @torch.inference_mode()
        def forward(self, x):
            return self.part(x)

    model = open(Inside().eval())
    with pytest.raises(SiteError, match="under torch.inference_mode, so it has no gradient"):
        model.run(arrays(), "module:part:out", grad_of=lambda y: y.sum())


class Waiting(nn.Module):
    """A network in whose middle another thread has its turn."""

    def __init__(self):
        super().__init__()
        self.first, self.drop = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.5)
        self.second = nn.Linear(WIDTH, 2)

    def forward(self, x):
        x = self.first(x)
        time.sleep(0.002)
        return self.second(self.drop(x))


def test_passes_of_several_threads_through_one_network_do_not_meet():
    network, site = Waiting().train(), "module:first:out"
    network.drop.eval()
    with torch.no_grad():
        right = network(arrays())
    model, wrong, ended = open(network), [], threading.Event()
    network.drop.train()

    def beside():
        with torch.no_grad():
            while not ended.is_set():
                if not torch.equal(network.first(arrays()), first):
                    wrong.append("beside")
                time.sleep(0.001)

    def through(by: float):
        edit = Add(Scope(site), by * torch.ones(WIDTH))
        for _ in range(10):
            acts = model.run(arrays(), site, logits=True, edits=edit)
            want = network.second(first + by).detach()
            if not torch.allclose(acts.logits, want, atol=1e-5):
                wrong.append(f"logits {by}")
            if not torch.allclose(acts[site], first + by, atol=1e-5):
                wrong.append(f"site {by}")

    with torch.no_grad():
        first = network.first(arrays())
    inside = [threading.Thread(target=through, args=(by,)) for by in (1.0, 2.0)]
    outside = threading.Thread(target=beside)
    for thread in (outside, *inside):
        thread.start()
    for thread in inside:
        thread.join()
    ended.set()
    outside.join()
    assert wrong == []
    assert network.drop.training
    torch.testing.assert_close(model.run(arrays(), logits=True).logits, right)


# --- sizes


def test_pictures_of_another_size_are_as_wide_as_they_are():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()).eval()
    model, site = open(network), "module:1:out"
    for size in (6, 8):
        x = torch.randn(4, 1, size, size)
        found = harvest(model, x.numpy(), site, progress=False).matrix(site)
        torch.testing.assert_close(torch.tensor(found), network(x).detach())


@pytest.mark.parametrize("given", [torch.zeros(0, WIDTH), {"x": torch.zeros(0, WIDTH)}])
def test_no_arrays_are_one_sentence(given):
    with pytest.raises(ModelError, match="no inputs were given"):
        Model(nn.Sequential(nn.Linear(WIDTH, 2))).run(given, "module:0:out")


# --- names alone, complex numbers


class Named(nn.Module):
    """A network whose inputs have names and no order."""

    def __init__(self):
        super().__init__()
        self.part = nn.Linear(WIDTH, 2)

    def forward(self, *, scale=None, x):
        return self.part(x if scale is None else x * scale)


def test_a_forward_that_takes_names_alone_is_given_them():
    network, site = Named().eval(), "module:part:out"
    want = network.part(arrays()).detach()
    for given in (arrays(), {"x": arrays()}):
        acts = open(network).run(given, site, logits=True)
        torch.testing.assert_close(acts[site], want)
        torch.testing.assert_close(acts.logits, want)
    stored = harvest(open(network), arrays().numpy(), site, at="last", progress=False)
    torch.testing.assert_close(torch.tensor(stored.matrix(site)), want[:, -1])


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.rfft(x, dim=-1)


def test_complex_numbers_are_read_and_not_stored_by_their_real_part():
    network = nn.Sequential(Spectrum(), Size(), nn.Linear(WIDTH // 2 + 1, 2)).eval()
    model, site = open(network), "module:0:out"
    want = torch.fft.rfft(arrays(), dim=-1)
    torch.testing.assert_close(model.run(arrays(), site)[site], want)
    for at in ("last", "mean"):
        with pytest.raises(StoreError, match=r"0:out holds complex numbers, .* model\.run"):
            harvest(model, arrays().numpy(), site, at=at, progress=False)


class Size(nn.Module):
    def forward(self, x):
        return x.abs()
