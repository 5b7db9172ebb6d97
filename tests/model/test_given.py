"""What a network is given reaches it or is refused: names that it does not know, masks that it does
not take, modes of the caller's."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from inscape.core.batch import Batch
from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError, SiteError
from inscape.core.site import Site
from inscape.model.model import Model
from inscape.model.open import open
from inscape.store.harvest import harvest
from tests.model.nets import net, tokenizer
from tests.model.tiny import tiny

IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [9, 8, 7, 6, 5, 4]])
SITE = "resid_post.1"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", ["attention_msk", "positions_ids", "input_features"])
def test_a_name_that_the_network_would_leave_out_is_refused(name):
    model = Model(net("llama"))
    with torch.no_grad():  # transformers takes it and drops it
        model.net(input_ids=IDS, **{name: torch.ones_like(IDS)})
    given = {"input_ids": IDS, name: torch.ones_like(IDS)}
    for inputs in (given, Batch(given)):
        with pytest.raises(ModelError, match=f"has no input '{name}', and would leave it out"):
            model.run(inputs, SITE)
    with pytest.raises(ModelError, match="would leave it out"):
        harvest(model, given, SITE, at="all", progress=False)


def test_names_that_it_knows_and_those_of_tokenizers_are_taken():
    model = Model(net("llama"))
    want = model.run(IDS, SITE)[SITE]
    for more in ({"token_type_ids": IDS * 0}, {"position_ids": torch.arange(6).expand(2, 6)}):
        torch.testing.assert_close(model.run({"input_ids": IDS, **more}, SITE)[SITE], want)
    kinds = torch.tensor([[0, 0, 0, 1, 1, 1]] * 2)  # which this network does read
    bert = Model(tiny("bert"))
    apart, plain = (
        bert.run({"input_ids": IDS, "token_type_ids": k}, SITE)[SITE] for k in (kinds, kinds * 0)
    )
    assert float((apart - plain).norm()) > 0.1


class PositionsFirst(nn.Module):
    """A text network without a mask, inside which positions come before examples."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(120, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
        self.inner = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, input_ids):
        return self.inner(self.embed(input_ids).transpose(0, 1)).transpose(0, 1)


@pytest.fixture
def maskless():
    torch.manual_seed(0)
    return open(PositionsFirst().eval(), tokenizer=tokenizer())


def test_a_text_network_that_takes_no_mask_runs_and_is_harvested_without_padding(maskless):
    site, rows = "module:inner.layers.1:out", [[5, 6, 7], [9, 8, 7, 3, 2], [4, 3, 2]]

    def alone(row):
        with torch.no_grad():
            x = maskless.net.embed(torch.tensor([row])).transpose(0, 1)
            return maskless.net.inner(x)[-1, 0].numpy()

    want = np.stack([alone(row) for row in rows])
    found = harvest(maskless, rows, site, at="last", progress=False).matrix(site)
    np.testing.assert_allclose(found, want, atol=1e-5)
    both = maskless.run([rows[0], rows[2]], site)[Site.parse(site)]
    np.testing.assert_allclose(both[:, -1].numpy(), want[[0, 2]], atol=1e-5)
    with pytest.raises(ModelError, match="takes no attention_mask, so it would read the padding"):
        maskless.run(rows, site)


def test_gradients_are_what_they_are_whatever_the_callers_mode():
    model = Model(net("llama"))

    def gradient():
        return model.run(IDS, SITE, grad_of=lambda logits: logits[..., 3].sum()).grads[
            Site("resid_post", 1)
        ]

    want = gradient()
    assert bool(want.any())
    with torch.no_grad():
        torch.testing.assert_close(gradient(), want)
    assert torch.is_grad_enabled()


# --- a store of a network that was changed in a way that no weight shows
# -----------------------------------------------


def _other_scale(network):
    network.model.layers[0].self_attn.scaling *= 2


def _other_forward(network):
    old = network.model.layers[1].mlp.forward
    network.model.layers[1].mlp.forward = lambda x: 3 * old(x)


def _a_hook(network):
    network.model.layers[1].mlp.register_forward_hook(lambda _m, _args, out: 3 * out)


def _a_norms_constant(network):
    network.model.layers[1].input_layernorm.variance_epsilon = 0.5


def _a_layer_less(network):
    network.model.layers[0].mlp = copy.deepcopy(network.model.layers[1].mlp)


@pytest.mark.parametrize(
    "change", [_other_scale, _other_forward, _a_hook, _a_norms_constant, _a_layer_less]
)
def test_a_live_network_that_was_changed_is_harvested_again(change):
    network = net("llama")
    model = open(network)
    before = np.array(harvest(model, IDS.tolist(), SITE, progress=False).matrix(SITE))
    change(network)
    after = np.array(harvest(model, IDS.tolist(), SITE, progress=False).matrix(SITE))
    with torch.no_grad():
        seen = []
        handle = network.model.layers[1].register_forward_hook(lambda _m, _a, out: seen.append(out))
        network(IDS, use_cache=False)
        handle.remove()
    np.testing.assert_allclose(after, seen[0][:, -1].numpy(), atol=1e-5)
    assert np.abs(after - before).max() > 1e-4


# --- positions to keep
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (torch.tensor([1, 2]), r"a row for each of 2 examples, got shape \(2,\)"),
        (torch.tensor([[1]]), r"a row for each of 2 examples, got shape \(1, 1\)"),
        (torch.tensor([[1.0], [2.0]]), r"got shape \(2, 1\) of float32"),
        (torch.tensor([[True], [False]]), r"got shape \(2, 1\) of bool"),
        ("last", "at must be whole numbers .* a row for each example, got 'last'"),
        ([[1], [2, 3]], r"at must be whole numbers .*, got \[\[1\], \[2, 3\]\]"),
        (torch.tensor([[1], [6]]), "at names position 6 of example 1, which has 6"),
        (torch.tensor([[-7], [0]]), "at names position -7 of example 0, which has 6"),
    ],
)
def test_positions_that_are_no_rows_or_lie_beyond_are_refused(at, said):
    with pytest.raises(SiteError, match=said):
        Model(net("llama")).run(IDS, SITE, at=at)


def test_positions_may_be_lists_and_arrays_of_any_whole_numbers():
    model = Model(net("llama"))
    expected = model.run(IDS, SITE, at=torch.tensor([[1, 2], [0, -1]]))[SITE]
    for at in ([[1, 2], [0, -1]], np.array([[1, 2], [0, -1]], dtype=np.int16)):
        torch.testing.assert_close(model.run(IDS, SITE, at=at)[SITE], expected)


def test_positions_are_those_of_each_example_however_long_the_others_are():
    model, mixed = Model(net("llama")), [[5, 6, 7, 8, 9], [10, 11]]
    alone = [model.run([ids], SITE)[SITE][0, -1] for ids in mixed]
    found = model.run(mixed, SITE, at=torch.tensor([[-1], [-1]]))[SITE][:, 0]
    torch.testing.assert_close(found, torch.stack(alone))
    with pytest.raises(SiteError, match="at names position 3 of example 1, which has 2"):
        model.run(mixed, SITE, at=torch.tensor([[4], [3]]))


def test_an_edit_of_a_position_that_no_example_has_is_refused():
    model, mixed = Model(net("llama")), [[5, 6, 7, 8, 9], [10, 11]]
    vector = torch.ones(32)
    for where in (5, -6):
        edit = Add(Scope("resid_post.0", positions=(where,)), vector)
        with pytest.raises(SiteError, match=f"names position {where}, and the longest example has"):
            model.run(mixed, SITE, edits=edit)
    edit = Add(Scope("resid_post.0", positions=(3,)), vector)  # the second example has none
    moved, plain = model.run(mixed, SITE, edits=edit)[SITE], model.run(mixed, SITE)[SITE]
    assert not torch.allclose(moved[0], plain[0], atol=1e-3)
    torch.testing.assert_close(moved[1, :2], plain[1, :2])


# --- what stands for tokens
# -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({5, 6}, "a set, which has no order; give a list"),
        (torch.tensor(5), "a single number, 5; give arrays or lists"),
        (
            {"input_ids": IDS, "attention_mask": torch.ones(2, 7)},
            r"attention_mask is \(2, 7\) and input_ids are \(2, 6\); give one number for each token",
        ),
        (np.array([[2**63 + 5]], dtype=np.uint64), "is not a token id of .*; give ids from 0 on"),
        ({"inputs_embeds": torch.ones(2, 6, 31)}, "inputs_embeds have 31 columns, and vectors of"),
        (
            {"inputs_embeds": torch.ones(2, 6, 32, dtype=torch.int64)},
            "inputs_embeds are int64, .* give vectors as of its embedding",
        ),
        (
            {"inputs_embeds": torch.ones(2, 6, 32) / torch.tensor([1.0, 0])[:, None, None]},
            "inputs_embeds of example 2 hold NaN or infinite numbers",
        ),
    ],
)
def test_what_stands_for_no_tokens_is_refused_in_a_sentence(given, said):
    with pytest.raises(ModelError, match=said):
        Model(net("llama")).run(given, SITE)


def test_vectors_in_place_of_tokens_and_ids_of_any_width_are_taken_in_any_precision():
    model = Model(net("llama"))
    vectors = model.net.get_input_embeddings()(IDS)
    expected = model.run(IDS, SITE)[SITE]
    for given in (vectors, vectors.double()):
        torch.testing.assert_close(model.run({"inputs_embeds": given}, SITE)[SITE], expected)
    small = np.array(IDS.numpy(), dtype=np.uint64)
    torch.testing.assert_close(model.run(small, SITE)[SITE], expected)
