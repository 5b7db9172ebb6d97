"""Which axis is the examples' and which the positions': found by running, kept to by captures,
edits and harvests.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers as t
from torch import nn

from inscape.core.edit import Add, Scope
from inscape.core.errors import InscapeError, SiteError
from inscape.model.open import open
from inscape.store.harvest import harvest

from .nets import D, net, tokenizer

_TINY = dict(
    vocab_size=120,
    hidden_size=D,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    pad_token_id=0,
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))


def _made(kind, config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = kind(config).eval()
        with torch.no_grad():
            for p in made.parameters():
                p.add_(0.1 * torch.randn_like(p))
    return made


def mixtral():
    return _made(t.MixtralForCausalLM, t.MixtralConfig(**_TINY, num_local_experts=4))


CASES = {
    "projection": (lambda: net("llama"), "module:model.layers.1.self_attn.q_proj:out"),
    "per-head norm": (lambda: net("qwen3"), "module:model.layers.1.self_attn.q_norm:out"),
    "router": (mixtral, "module:model.layers.1.mlp.gate:in"),
    "experts": (mixtral, "module:model.layers.1.mlp.experts:out"),
    "opt": (lambda: net("opt"), "module:model.decoder.layers.1.fc1:out"),
}
IDS = torch.tensor([[9, 30, 11, 52, 13], [14, 25, 16, 17, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.mark.parametrize("case", CASES)
def test_scopes_are_kept_to_wherever_positions_lie(case):
    made, site = CASES[case]
    model = open(made())
    given = {"input_ids": IDS, "attention_mask": MASK}
    plain = model.run(given, site, logits=True)
    width = plain[site].shape[-1]
    assert plain[site].shape[:2] == (2, 5)
    for positions, hit in (("last", [[4], [2]]), ((0,), [[0], [0]]), ((-2,), [[3], [1]])):
        edit = Add(Scope(site, positions=positions), 3 * torch.arange(1.0, width + 1))
        moved = model.run(given, site, edits=edit)[site] - plain[site]
        rows = [r.flatten(1).abs().sum(-1).nonzero().flatten().tolist() for r in moved]
        assert rows == hit
    for phase, acts in (("generated", False), ("prompt", True)):
        edit = Add(Scope(site, phase=phase), 3 * torch.ones(width))
        assert (model.run(given, site, edits=edit)[site] != plain[site]).any() == acts


@pytest.mark.parametrize("case", CASES)
def test_batched_rows_are_those_of_each_example_alone(case):
    made, site = CASES[case]
    model = open(made(), tokenizer=tokenizer())
    ids = [IDS[0].tolist(), IDS[1, :3].tolist(), [7, 8], [9, 9, 9, 12]]
    for at, spot in (("last", -1), ("first", 0)):
        rows = harvest(model, ids, site, at=at).matrix(site)
        for row, one in zip(rows, ids, strict=True):
            alone = model.run([one], site)[site][0, spot].flatten()
            np.testing.assert_allclose(row, alone, atol=1e-4)
    whole = harvest(model, ids, site, at="all").matrix(site)
    assert len(whole) == sum(map(len, ids))


def test_a_module_without_positions_is_edited_whole_or_not_at_all():
    network = _made(t.BertModel, t.BertConfig(**{**_TINY, "num_hidden_layers": 1}))
    model = open(network)
    site = "module:pooler.dense:out"
    given = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    plain = model.run(given, site)[site]
    assert plain.shape == (2, D)
    moved = model.run(given, site, edits=Add(Scope(site), torch.ones(D)))[site] - plain
    torch.testing.assert_close(moved, torch.ones_like(moved))
    with pytest.raises(SiteError, match="positions and phase cannot be kept to"):
        model.run(given, site, edits=Add(Scope(site, positions="last"), torch.ones(D)))
    with pytest.raises(SiteError, match="no axis is shown to be the positions'"):
        model.run(given, site, at=torch.zeros(2, 1, dtype=torch.long))


def test_a_tensor_of_no_example_is_not_harvested():
    model = open(net("llama"))
    site = "module:model.rotary_emb:out"
    with pytest.raises(InscapeError, match="no axis is shown"):
        harvest(model, IDS, site, at="last")


# --- networks of arrays
# -------------------------------------------------------------------------------------------------


class Turned(nn.Module):
    """A network that lays positions first inside, as recurrent layers and old transformers do."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.out = inner, nn.Linear(8, 2)

    def forward(self, x):
        h = self.inner(x.transpose(0, 1))
        return self.out((h[0] if isinstance(h, tuple) else h)[-1])


class Flat(nn.Module):
    """A network that sees all positions of all examples in one axis."""

    def __init__(self, turned: bool):
        super().__init__()
        self.inner, self.turned = nn.Linear(8, 8), turned

    def forward(self, x):
        y = x.transpose(0, 1) if self.turned else x
        return self.inner(y.reshape(-1, 8)).view(*y.shape).mean()


INSIDE = {
    "transformer": lambda: Turned(
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False)
    ),
    "lstm": lambda: Turned(nn.LSTM(8, 8)),
    "gru": lambda: Turned(nn.GRU(8, 8)),
    "batch · positions": lambda: Flat(False),
    "positions · batch": lambda: Flat(True),
}


@pytest.mark.parametrize("count", [5, 6])
@pytest.mark.parametrize("kind", INSIDE)
def test_examples_come_first_whatever_the_network_does(kind, count):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = INSIDE[kind]().eval()
    x = np.random.default_rng(0).normal(size=(count, 6, 8)).astype("float32")
    y = torch.from_numpy(x)
    with torch.no_grad():
        if isinstance(network, Flat):
            want = network.inner(y).numpy()
        else:
            h = network.inner(y.transpose(0, 1))
            want = (h[0] if isinstance(h, tuple) else h).transpose(0, 1).numpy()
    model = open(network)
    site = "module:inner:out"
    np.testing.assert_allclose(model.run(y, site)[site], want, atol=1e-5)
    for at, rows in (("last", want[:, -1]), ("first", want[:, 0]), ("mean", want.mean(1))):
        np.testing.assert_allclose(harvest(model, x, site, at=at).matrix(site), rows, atol=1e-5)


@pytest.mark.parametrize("act", [nn.ReLU, nn.GELU, nn.Identity])
def test_channels_are_the_width_behind_an_activation_too(act):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(3, 5, 2), act(), nn.Conv1d(5, 4, 2), act()).eval()
    x = np.random.default_rng(0).normal(size=(6, 3, 9)).astype("float32")
    model = open(network)
    for i in range(4):
        site = f"module:{i}:out"
        with torch.no_grad():
            want = network[: i + 1](torch.from_numpy(x)).numpy()
        for at, rows in (("mean", want.mean(2)), ("last", want[:, :, -1])):
            np.testing.assert_allclose(harvest(model, x, site, at=at).matrix(site), rows, atol=1e-5)


def test_maps_with_channels_last_keep_their_width():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.act = nn.Conv2d(3, 5, 2), nn.LayerNorm(5), nn.GELU()

        def forward(self, x):
            return self.act(self.norm(self.conv(x).permute(0, 2, 3, 1))).mean((1, 2))

    torch.manual_seed(0)
    network = Last().eval()
    x = np.random.default_rng(0).normal(size=(4, 3, 6, 7)).astype("float32")
    model = open(network)
    with torch.no_grad():
        conv = network.conv(torch.from_numpy(x))
        want = network.act(network.norm(conv.permute(0, 2, 3, 1)))
    sites = {"conv": conv.mean((2, 3)), "norm": None, "act": want.mean((1, 2))}
    for name, rows in sites.items():
        found = harvest(model, x, f"module:{name}:out", at="mean").matrix(f"module:{name}:out")
        assert found.shape == (4, 5)
        if rows is not None:
            np.testing.assert_allclose(found, rows, atol=1e-5)


def test_rows_that_depend_on_each_other_are_refused():
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.Linear(3, 3)

        def forward(self, x):
            return self.norm(x - x.mean(0))

    model = open(Mixing().eval())
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    with pytest.raises(SiteError, match="other numbers beside another one than alone"):
        harvest(model, x, "module:norm:out")
