"""What a network is besides its weights: whatever changes what it computes changes the hash, and
nothing else does.
"""

from __future__ import annotations

import functools
import os
from importlib import import_module

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from inscape.model.certificate import current
from inscape.model.model import Model
from inscape.model.open import open

from . import nets

#: the module, where the package offers its function
hashing = import_module("inscape.model.hashing")

FACTOR = 2.0


class Block(nn.Module):
    """A network of the user's own, whose one weight is shared by every variant below."""

    scale = 1.0

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner, self.act, self.power = inner, F.relu, 1
        self.register_buffer("mask", torch.ones(4), persistent=False)

    def forward(self, x):
        return self.act(self.inner(x) * self.mask) ** self.power * self.scale


def block(**changes) -> Block:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Block(nn.Linear(4, 4))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


class Doubled(Block):
    def forward(self, x):
        return 2 * super().forward(x)


def _twice(x):
    return x * FACTOR


def _of(kind: type) -> Block:
    made = block()
    made.__class__ = kind
    return made


def _hooked() -> Block:
    made = block()
    made.inner.register_forward_hook(lambda _m, _a, out: out + 1)
    return made


def _closed(number: float) -> Block:
    return block(act=lambda x: x * number)


OTHERS = {
    "function": lambda: block(act=F.gelu),
    "lambda": lambda: block(act=lambda x: x),
    "closure": lambda: _closed(3.0),
    "partial": lambda: block(act=functools.partial(F.leaky_relu, negative_slope=0.1)),
    "number": lambda: block(power=2),
    "mask": lambda: block(mask=torch.tensor([1.0, 0.0, 1.0, 1.0])),
    "tensor": lambda: block(scale=torch.full((4,), 0.5)),
    "array": lambda: block(scale=np.float32(0.5) * np.ones(1, np.float32)),
    "subclass": lambda: _of(Doubled),
    "hook": _hooked,
    "own forward": lambda: block(forward=lambda x: x),
    "module in a list": lambda: block(hidden=[nn.Linear(2, 2)]),
}


@pytest.mark.parametrize("what", OTHERS)
def test_equal_weights_and_another_network_have_another_hash(what):
    plain, other = Model(block()), Model(OTHERS[what]())
    assert plain.weights_hash == other.weights_hash
    assert plain.network_hash == Model(block()).network_hash != other.network_hash


def test_two_closures_over_other_values_differ():
    assert Model(_closed(3.0)).network_hash != Model(_closed(4.0)).network_hash
    assert Model(_closed(3.0)).network_hash == Model(_closed(3.0)).network_hash


def test_a_global_that_the_code_reads_counts(monkeypatch):
    before = Model(block(act=_twice)).network_hash
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert Model(block(act=_twice)).network_hash != before


def test_weights_hidden_in_a_list_count():
    hidden = nn.Linear(2, 2)
    model = Model(block(hidden=[hidden]))
    before = model.network_hash
    with torch.no_grad():
        hidden.weight.add_(1)
    assert model.network_hash != before


def test_what_a_pass_leaves_behind_is_no_identity():
    class Counting(Block):
        def forward(self, x):
            self.calls = getattr(self, "calls", 0) + 1
            self.last = super().forward(x)
            return self.last

    model = Model(_of(Counting))
    x = torch.randn(3, 4)
    model.run(x, "module:inner:out")
    before, calls = model.network_hash, model.net.calls
    for _ in range(2):
        model.run(x + 1, "module:inner:out")
    assert model.net.calls >= calls + 2
    assert model.network_hash == before
    model.net.power = 3
    assert model.network_hash != before


@pytest.mark.parametrize("family", ["llama", "gpt2", "neox", "bert", "vit", "whisper"])
def test_a_network_saved_and_opened_again_is_the_same(family, tmp_path):
    net = nets.net(family)
    net.save_pretrained(tmp_path)
    again = open(tmp_path)
    live = open(net)
    assert (again.weights_hash, again.network_hash) == (live.weights_hash, live.network_hash)


def test_rotary_base_and_activation_are_of_the_configuration(tmp_path):
    base = nets.net("llama")
    hashes = {Model(base).network_hash}
    for field, value in (
        ("rope_parameters", {"rope_type": "default", "rope_theta": 5.0}),
        ("hidden_act", "gelu"),
        ("rms_norm_eps", 1e-2),
    ):
        config = base.config.to_dict() | {field: value}
        other = type(base)(type(base.config)(**config)).eval()
        other.load_state_dict(base.state_dict())
        model = Model(other)
        assert model.weights_hash == Model(base).weights_hash
        hashes.add(model.network_hash)
    assert len(hashes) == 4


def test_frequencies_that_follow_the_longest_row_are_state():
    import transformers as t

    config = nets.NETS["llama"][1]().to_dict() | {
        "max_position_embeddings": 16,
        "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
    }
    model = Model(t.LlamaForCausalLM(t.LlamaConfig(**config)).eval())
    model.run(torch.ones(1, 8, dtype=torch.long), "resid_post.0")
    before, rotary = model.network_hash, model.net.model.rotary_emb
    old = rotary.inv_freq.clone()
    model.net(torch.ones(1, 30, dtype=torch.long))
    assert not torch.equal(old, rotary.inv_freq)
    assert model.network_hash == before


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.data.mul_(2),
        lambda w: w.detach().numpy().__imul__(2),
        lambda w: w.data.copy_(w.data.flip(0)),
        lambda w: w.data.copy_(w.data.flip(1)),
        lambda w: setattr(w, "data", w.data + 1),
    ],
)
def test_weights_changed_in_any_way_are_noticed(change):
    model = Model(nn.Sequential(nn.Linear(600, 40), nn.Tanh()))
    before = model.weights_hash
    assert model.weights_hash == before
    change(model.net[0].weight)
    assert model.weights_hash == Model(model.net).weights_hash != before


def test_a_network_trained_on_is_certified_again():
    net = nets.net("gpt2")
    model = open(net)
    first = model.certificate
    assert current(model) == (first.weights, first.network)
    assert model.certificate is first
    with torch.no_grad():
        net.transformer.h[1].mlp.c_fc.weight.mul_(float("nan"))
    current(model)
    assert model.certificate.weights == model.weights_hash != first.weights
    assert first.passed
    assert not model.certificate.passed
    assert model.refused


def test_a_certificate_kept_of_another_configuration_does_not_stand(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    net = nets.net("llama")
    net.save_pretrained(tmp_path / "a")
    net.config.rope_parameters = {"rope_type": "default", "rope_theta": 5.0}
    net.save_pretrained(tmp_path / "b")
    a, b = open(tmp_path / "a"), open(tmp_path / "b")
    assert a.weights_hash == b.weights_hash
    assert len(list((tmp_path / "home" / "certificates").iterdir())) == 2
    assert a.certificate.network != b.certificate.network


def test_a_hash_is_kept_of_files_that_nobody_touched_and_of_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "saved"
    nets.net("llama").save_pretrained(folder)
    taken = []
    whole = hashing.weights_hash
    monkeypatch.setattr(hashing, "weights_hash", lambda net: taken.append(1) or whole(net))
    model = open(folder)
    first = model.weights_hash
    assert first == whole(model.net)
    assert len(taken) == 1
    assert open(folder).weights_hash == first
    assert len(taken) == 1
    # the same file, loaded as other numbers
    half = open(folder, dtype="bfloat16")
    assert len(taken) == 2
    assert half.weights_hash == whole(half.net) != first
    # a file of the same name, size and time of change with another weight in it
    path = folder / "model.safetensors"
    was, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    other = open(folder)
    assert len(taken) == 3
    assert other.weights_hash == whole(other.net) != first
    # what is kept and is no hash is not believed
    for kept in (tmp_path / "home" / "weights").iterdir():
        kept.write_text("no hash")
    assert open(folder).weights_hash == other.weights_hash
    assert len(taken) == 4


def test_a_folder_where_nothing_can_be_kept_opens(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("a file where a folder should be")
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    nets.net("llama").save_pretrained(tmp_path / "saved")
    model = open(tmp_path / "saved")
    assert model.weights_hash == hashing.weights_hash(nets.net("llama"))
