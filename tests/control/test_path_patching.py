"""Path patching: known by hand in a linear network, equal to a pass with everything frozen, to
activation patching where nothing lies between."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from inscape.control.patching import patch_map
from inscape.control.path_patching import path_effects, path_map
from inscape.core.edit import Replace, Scope
from inscape.core.errors import ModelError
from inscape.model.family import Family, Tap
from inscape.model.model import Model
from tests.model import nets

BASE, SOURCE = (
    ["the river of Paris is good", "a sea of London is bad"],
    ["a mountain of London is bad", "the sea in Paris runs ."],
)
D, V = 6, nets.VOCABULARY


def metric(logits, _rows):
    return logits[:, 7] - logits[:, 11]


# --- a network of two blocks without one non-linearity: every path is a product of matrices
# --------------------------


class Attention(nn.Module):
    """Looks back evenly: z = A v, two heads side by side."""

    def __init__(self):
        super().__init__()
        self.v, self.o = nn.Linear(D, D, bias=False), nn.Linear(D, D, bias=False)
        self.looks = nn.Identity()

    def forward(self, h):
        looks = torch.ones(h.shape[1], h.shape[1]).tril()
        even = (looks / looks.sum(1, keepdim=True)).expand(len(h), 2, -1, -1)
        z = self.looks(even) @ self.v(h).unflatten(-1, (2, -1)).transpose(1, 2)
        return self.o(z.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.n1, self.n2, self.attn, self.mlp = (
            nn.Identity(),
            nn.Identity(),
            Attention(),
            nn.Linear(D, D, bias=False),
        )

    def forward(self, hidden_states, **_):
        h = hidden_states + self.attn(self.n1(hidden_states))
        return h + self.mlp(self.n2(h))


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.layers, self.norm = (
            nn.Embedding(V, D),
            nn.ModuleList([Block(), Block()]),
            nn.Identity(),
        )

    def forward(self, input_ids, use_cache=False):
        h = self.embed(input_ids)
        for block in self.layers:
            h = block(h)
        return self.norm(h)


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.config = SimpleNamespace(num_attention_heads=2, hidden_size=D)
        self.body, self.lm_head = Body(), nn.Linear(D, V, bias=False)

    def forward(self, **inputs):
        return self.lm_head(self.body(**inputs))


TAPS = {
    "resid_pre": Tap("", "in"),
    "attn_in": Tap("n1"),
    "v": Tap("attn.v"),
    "pattern": Tap("attn.looks", editable=False),
    "z": Tap("attn.o", "in"),
    "attn_out": Tap("attn.o"),
    "mlp_in": Tap("n2"),
    "mlp_out": Tap("mlp"),
    "resid_post": Tap(""),
}


@pytest.fixture(scope="module")
def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Linear().eval()
    family = Family("linear", (), "layers", TAPS, final_norm="norm", head="lm_head", body="body")
    return Model(net, nets.tokenizer(), family=family)


@pytest.fixture(scope="module")
def pair(linear):
    return linear.tokenize(BASE), linear.tokenize(SOURCE)


def looks(t):
    a = np.tril(np.ones((t, t)))
    return a / a.sum(1, keepdims=True)


def test_direct_and_indirect_paths_are_the_products_of_their_matrices(linear, pair):
    """Δ of head 1 of block 0 goes on as itself, or through the value and output matrices of block
    1.
    """
    weight = {k: v.detach().double().numpy() for k, v in linear.net.named_parameters()}
    read = weight["lm_head.weight"][7] - weight["lm_head.weight"][11]
    v1, o1, m1 = (weight[f"body.layers.1.{x}.weight"] for x in ("attn.v", "attn.o", "mlp"))
    runs = [linear.run(linear.collate(x), "z.0.1") for x in pair]
    delta = (runs[1]["z.0.1"] - runs[0]["z.0.1"]).double().numpy() @ weight[
        "body.layers.0.attn.o.weight"
    ][:, 3:].T
    t = delta.shape[1]
    direct = path_map(linear, *pair, "z.0.1", metric)
    assert np.allclose(direct.values[0, -1] - direct.base, delta[:, -1] @ read, atol=1e-5)
    assert np.abs(delta[:, -1] @ read).max() > 1e-3
    # no direct path from elsewhere; the batch of the base has another shape, so values agree to
    # rounding
    assert np.allclose(direct.values[0, :-1], direct.base, atol=1e-6)
    through = path_effects(linear, *pair, "z.0.1", metric, to="v.1")
    moved = np.einsum("qk,nkd->nqd", looks(t), delta @ v1.T) @ o1.T
    expected = (moved + moved @ m1.T)[
        :, -1
    ] @ read  # what attention 1 adds, and what its MLP makes of that
    assert np.allclose(through.values[0] - through.base, expected, atol=1e-5)
    one = path_effects(linear, *pair, "z.0.1", metric, to="v.1.0")
    half = np.einsum("qk,nkd->nqd", looks(t), delta @ v1[:3].T) @ o1[:, :3].T
    assert np.allclose(one.values[0] - one.base, (half + half @ m1.T)[:, -1] @ read, atol=1e-5)


@pytest.mark.parametrize("sender", ["embed", "z.0.1", "attn_out.0", "mlp_out.0"])
def test_first_steps_of_all_paths_sum_to_the_whole_effect(linear, pair, sender):
    whole = patch_map(linear, *pair, sender, metric)
    steps = ["attn_in.0", "mlp_in.0", "attn_in.1", "mlp_in.1"]
    later = steps[{"embed": 0, "z.0.1": 1, "attn_out.0": 1, "mlp_out.0": 2}[sender] :]
    parts = [path_map(linear, *pair, sender, metric, to=to) for to in ["logits", *later]]
    total = sum(part.values - part.base for part in parts)
    assert np.allclose(total, whole.values - whole.base, atol=1e-4)
    assert np.abs(parts[0].values - whole.values).max() > 1e-3  # the direct path is not all


def test_direct_effects_of_all_senders_sum_to_the_whole_difference(linear, pair):
    """Noising and denoising alike: what the last stream is the sum of, its direct effects are
    too.
    """
    everything = "embed, attn_out.*, mlp_out.*"
    for ends in (pair, pair[::-1]):
        found = path_effects(linear, *ends, everything, metric)
        assert found.effect.sum() == pytest.approx(1, abs=1e-4)
        assert np.allclose(
            (found.values - found.base).sum(axis=0), found.source - found.base, atol=1e-4
        )
        heads = path_effects(linear, *ends, ["z.1.0", "z.1.1"], metric)
        joint = path_effects(linear, *ends, "z.1", metric)
        assert np.allclose(
            (heads.values - heads.base).sum(axis=0), joint.values[0] - joint.base, atol=1e-5
        )
        assert np.ptp(found.effect) > 0.01


# --- real architectures
# ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma3", "neox"])
def model(request):
    return Model(nets.net(request.param), nets.tokenizer())


def frozen(model, sender, receiver, k, position):
    """The slow clear way: the base with every other writer held, then the base with what the
    receiver read put in.
    """
    base, source = ([model.tokenize(x)[k]] for x in (BASE, SOURCE))
    clean, given = model.run(base, [sender, "attn_out.*", "mlp_out.*"]), model.run(source, sender)
    value = clean[sender].clone()
    value[0, position] = given[sender][0, position]
    free = {sender, f"attn_out.{sender.split('.')[1]}"} if sender[0] == "z" else {sender}
    edits = [Replace(Scope(sender), value)]
    edits += [
        Replace(Scope(str(s)), clean[s]) for s in clean if str(s) not in free and s.point != "z"
    ]
    if receiver != "logits":
        edits = Replace(Scope(receiver), model.run(base, receiver, edits=edits)[receiver])
    return float(metric(model.run(base, edits=edits, logits=True).logits[:, -1], None)[0])


PATHS = [
    ("z.0.3", "logits"),
    ("mlp_out.1", "logits"),
    ("embed", "logits"),
    ("z.0.3", "q.2.1"),
    ("z.0.3", "mlp_in.0"),
    ("attn_out.1", "mlp_in.1"),
    ("mlp_out.0", "k.1"),
    ("embed", "v.2.0"),
    ("z.1.0", "attn_in.2"),
    ("embed", "resid_pre.2"),
]


def test_every_path_is_what_passes_with_everything_else_frozen_give(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    for i, (sender, receiver) in enumerate(PATHS):
        found = path_map(model, base, source, sender, metric, to=receiver, budget=30)
        k, p = i % 2, 5 if receiver == "logits" else 1 + i % 4
        assert found.values[0, p, k] == pytest.approx(
            frozen(model, sender, receiver, k, p), abs=2e-5
        ), (
            sender,
            receiver,
        )
        moved = np.abs(found.values - found.base).max()
        if model.family.name == "neox" and receiver in ("mlp_in.0", "mlp_in.1"):
            # attention and MLP of a parallel block do not read each other; what is left is rounding
            # of logits of about 1, since batches of another shape may take other kernels
            assert moved < 2e-6, (sender, receiver)
        else:
            assert moved > 5e-5, (sender, receiver)


def test_with_nothing_between_it_is_activation_patching(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    last = path_map(model, base, source, "mlp_out.2", metric)
    assert np.allclose(
        last.values, patch_map(model, base, source, "mlp_out.2", metric).values, atol=2e-4
    )
    assert np.abs(last.values - last.base).max() > 1e-3
    near = path_map(model, base, source, "mlp_out.0", metric, to="resid_post.0")
    assert np.allclose(
        near.values, patch_map(model, base, source, "mlp_out.0", metric).values, atol=2e-4
    )
    between = path_map(model, base, source, "mlp_out.0", metric, to="resid_pre.2")
    assert not np.allclose(near.values, between.values, atol=1e-3)
    top = path_map(model, base, source, "mlp_out.1", metric, to="resid_post.2")
    assert np.allclose(top.values, path_map(model, base, source, "mlp_out.1", metric).values)


def test_positions_of_sender_and_receiver(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    whole = path_map(model, base, source, "z.0.1, mlp_out.0", metric, to="q.2, k.1")
    some = path_map(
        model, base, source, "z.0.1, mlp_out.0", metric, to="q.2, k.1", positions=[-1, 2], budget=7
    )
    assert some.positions == (5, 2)
    assert np.allclose(some.values, whole.values[:, [5, 2]], atol=1e-5)
    late = path_effects(model, base, source, "mlp_out.0", metric, to="q.2", at=[-1])
    assert np.allclose(
        late.values[0],
        path_effects(
            model, base, source, "mlp_out.0", metric, to="q.2", positions=[-1], at=[-1]
        ).values[0],
        atol=1e-5,
    )
    early = path_effects(
        model, base, source, "mlp_out.0", metric, to="q.2", positions=[0, 1], at=[-1]
    )
    assert np.allclose(early.values, early.base, atol=1e-5)
    assert nets.live_hooks(model.net) == 0


def test_refusals(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    with pytest.raises(ValueError, match="resid_pre.0 cannot send; name sites among embed, z"):
        path_map(model, base, source, "resid_pre.0", metric)
    with pytest.raises(ValueError, match="z.1 cannot receive; name sites among q, k, v"):
        path_map(model, base, source, "embed", metric, to="z.1")
    with pytest.raises(ValueError, match="mlp_out.1 is computed after all that is to receive it"):
        path_map(model, base, source, "mlp_out.1", metric, to="q.1")
    with pytest.raises(ValueError, match="the logits receive alone"):
        path_map(model, base, source, "embed", metric, to=["logits", "q.1"])
    with pytest.raises(ValueError, match="positions must be within the 6 tokens"):
        path_effects(model, base, source, "embed", metric, positions=[6])
    after = Model(nets.net("opt-post"), nets.tokenizer())
    with pytest.raises(
        ModelError, match="a residual stream that is a sum, and this model has none"
    ):
        path_map(after, base, source, "embed", metric)
