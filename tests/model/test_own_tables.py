"""A network written by hand with a table of its own: what is right is certified, and a standard name
is refused where the table, or the order of heads, is another one.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from inscape.core.edit import Add, Replace, Scope
from inscape.core.errors import CertificateError
from inscape.core.site import Site
from inscape.model.family import Family, Tap
from inscape.model.open import open
from inscape.read.head_writes import writes_apart

WIDTH, HEADS, WORDS, LAYERS = 16, 4, 40, 3
IDS = torch.tensor([[5, 9, 30, 2, 7], [8, 8, 1, 4, 3]])


class Attention(nn.Module):
    """Fused queries, keys and values; heads one after another, or interleaved; weights made by a
    module, by a fused call (``sdpa``) or in an ``einsum``.
    """

    def __init__(self, interleaved: bool, fused: str):
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.weights = nn.Identity()
        self.interleaved, self.fused = interleaved, fused

    def apart(self, x):
        if self.interleaved:
            return x.unflatten(-1, (-1, HEADS)).permute(0, 3, 1, 2)
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def forward(self, x):
        q, k, v = map(self.apart, self.qkv(x).chunk(3, -1))
        if self.fused == "sdpa":
            z = scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            later = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
            scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
            weights = scores.masked_fill(later, -torch.inf).softmax(-1)
            if self.fused == "einsum":
                z = torch.einsum("bhqk,bhkd->bqhd", weights, v).transpose(1, 2)
            else:
                z = self.weights(weights) @ v
        z = z.permute(0, 2, 3, 1) if self.interleaved else z.transpose(1, 2)
        return self.out(z.flatten(2))


class Block(nn.Module):
    def __init__(self, scale: float, **kind: Any):
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention(**kind)
        self.up, self.act, self.down = nn.Linear(WIDTH, 32), nn.GELU(), nn.Linear(32, WIDTH)
        self.scale = scale

    def forward(self, x):
        x = x + self.scale * self.attention(self.first(x))
        return x + self.scale * self.down(self.act(self.up(self.second(x))))


class Written(nn.Module):
    """A language model whose forward takes ids and gives logits, and nothing else."""

    def __init__(self, scale=1.0, order=range(LAYERS), interleaved=False, fused=""):
        super().__init__()
        self.config = SimpleNamespace(
            vocab_size=WORDS, hidden_size=WIDTH, num_attention_heads=HEADS, pad_token_id=0
        )
        self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(64, WIDTH)
        self.blocks = nn.ModuleList(
            Block(scale, interleaved=interleaved, fused=fused) for _ in range(LAYERS)
        )
        self.norm, self.head, self.order = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS), order

    def forward(self, input_ids, use_cache=None):
        x = self.words(input_ids) + self.places(torch.arange(input_ids.shape[1]))
        for i in self.order:
            x = self.blocks[i](x)
        return self.head(self.norm(x))


TABLE = Family(
    "written",
    ("written",),
    "blocks",
    {
        "resid_pre": Tap("", "in"),
        "attn_in": Tap("first"),
        "q": Tap("attention.qkv", layout="first third"),
        "k": Tap("attention.qkv", layout="second third"),
        "v": Tap("attention.qkv", layout="third third"),
        "pattern": Tap("attention.weights", editable=False),
        "z": Tap("attention.out", "in"),
        "attn_out": Tap("attention"),
        "resid_mid": Tap("second", "in", editable=False),
        "mlp_in": Tap("second"),
        "mlp_pre": Tap("up"),
        "mlp_act": Tap("down", "in"),
        "mlp_out": Tap("down"),
        "resid_post": Tap(""),
    },
    final_norm="norm",
    head="head",
    act="act",
)
FUSED = replace(
    TABLE, points={p: tap for p, tap in TABLE.points.items() if p not in ("q", "k", "v", "pattern")}
)


def written(**kind) -> Written:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Written(**kind).eval()
        with torch.no_grad():
            for p in made.parameters():
                p.add_(0.1 * torch.randn_like(p))
    return made


def refused(model) -> set[str]:
    return {site.point for site in model.refused}


def test_a_sound_table_is_certified_and_its_sites_are_those_of_the_network():
    network = written()
    model = open(network, family=TABLE)
    assert refused(model) == set()
    names = {item.name for item in model.certificate.items if item.passed}
    assert {"unembedding = logits", "blocks are called in order", "pattern v = z"} <= names
    acts = model.run(IDS, ["embed", "resid_mid.1", "z.1.2", "pattern.1", "logits"])
    with torch.no_grad():
        x = network.words(IDS) + network.places(torch.arange(5))
        torch.testing.assert_close(acts["embed"], x)
        torch.testing.assert_close(acts.logits, network(IDS))
        block, x = network.blocks[1], network.blocks[0](x)
        torch.testing.assert_close(acts["resid_mid.1"], x + block.attention(block.first(x)))
        v = block.attention.apart(block.attention.qkv(block.first(x)).chunk(3, -1)[2])
        torch.testing.assert_close(acts["z.1.2"], acts["pattern.1"][:, 2] @ v[:, 2])
        push = torch.zeros(WIDTH).index_fill(0, torch.arange(8, 12), 1.0)
        handle = block.attention.out.register_forward_pre_hook(lambda _m, args: (args[0] + push,))
        want = network(IDS)
        handle.remove()
    found = model.run(IDS, logits=True, edits=Add(Scope("z.1.2"), torch.ones(4))).logits
    torch.testing.assert_close(found, want)


def test_scaled_branches_need_their_factor():
    plain = open(written(scale=0.5), family=TABLE)
    assert refused(plain) >= {"attn_out", "mlp_out"}
    factors = {"attn_out": Tap("attention", factor=0.5), "mlp_out": Tap("down", factor=0.5)}
    scaled = replace(TABLE, points={**TABLE.points, **factors})
    assert refused(open(written(scale=0.5), family=scaled)) == set()


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 0, 1, 2), (0, 1)])
def test_blocks_called_otherwise_than_they_are_listed_have_no_numbers(order):
    model = open(written(order=order), family=TABLE)
    assert refused(model) >= {"resid_pre", "resid_post", "attn_out", "z"}


@pytest.mark.parametrize("fused", ["", "sdpa", "einsum"])
def test_heads_that_nothing_shows_are_not_taken_for_slices(fused):
    model = open(written(interleaved=True, fused=fused), family=FUSED if fused else TABLE)
    assert "z" not in refused(model)
    whole = model.run(IDS, "z.1")["z.1"]
    assert whole.shape == (2, 5, WIDTH)
    with pytest.raises(CertificateError, match="nothing shows which entries of z.1 are of which"):
        model.run(IDS, "z.1.2")
    with pytest.raises(CertificateError, match="take it whole, or name both in the table"):
        model.run(IDS, logits=True, edits=Add(Scope("z.1.2"), torch.ones(4)))
    assert not model.heads_are_shown(Site("z", 1, 2))


@pytest.mark.parametrize("fused", ["", "sdpa", "einsum"])
def test_heads_are_shown_by_the_call_that_computes_them(fused):
    network = written(fused=fused)
    model = open(network, family=FUSED)  # neither pattern nor v is named
    with torch.no_grad():
        block = network.blocks[1]
        attention, h = block.attention, block.first(network.blocks[0](_embedded(network)))
        q, k, v = map(attention.apart, attention.qkv(h).chunk(3, -1))
        want = scaled_dot_product_attention(q, k, v, is_causal=True)
        with model.edited(Add(Scope("z.1"), torch.ones(WIDTH))):
            torch.testing.assert_close(model.run(IDS, "z.1.2")["z.1.2"], want[:, 2] + 1)
        torch.testing.assert_close(model.run(IDS, "z.1.2")["z.1.2"], want[:, 2])
        handle = attention.out.register_forward_pre_hook(lambda _m, a: (_without(a[0], 2),))
        logits = network(IDS)
        handle.remove()
    edit = Replace(Scope("z.1.2"), torch.zeros(4))
    torch.testing.assert_close(model.run(IDS, logits=True, edits=edit).logits, logits)
    assert model.heads_are_shown(Site("z", 1, 2))


def _embedded(network: Written) -> torch.Tensor:
    return network.words(IDS) + network.places(torch.arange(5))


def _without(z: torch.Tensor, head: int) -> torch.Tensor:
    kept = torch.arange(WIDTH) // (WIDTH // HEADS) != head
    return z * kept


def test_heads_that_are_all_the_same_are_not_shown():
    network = written(fused="sdpa")
    with torch.no_grad():
        for block in network.blocks:
            part = block.attention.qkv.weight.unflatten(0, (3, HEADS, -1))
            part.copy_(part[:, :1].expand_as(part))
            block.attention.qkv.bias.zero_()
    with pytest.raises(CertificateError, match="no call of attention that gives it head by head"):
        open(network, family=FUSED).run(IDS, "z.1.2")


@pytest.mark.parametrize("interleaved", [False, True])
def test_what_heads_write_is_shared_out_where_heads_are_shown(interleaved):
    out = {"attn_out": Tap("attention.out")}
    table = replace(TABLE, points={**TABLE.points, **out})
    assert writes_apart(open(written(interleaved=interleaved), family=table)) == (not interleaved)
