"""Toy networks are trained once: the cache gives the same weights, and anything else that was asked
for is trained.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from inscape.worlds.small_llama import small_llama
from inscape.worlds.trained_once import trained_once

#: the package offers the function of this name
module = importlib.import_module("inscape.worlds.trained_once")

calls: list[tuple] = []


@dataclass(frozen=True)
class Words:
    size: int
    codes: torch.Tensor


def toy(words: Words, seed: int, tied: bool = False, *rest: object):
    calls.append((words, seed))
    net = small_llama(words.size, 8, seed, tie_word_embeddings=tied, intermediate_size=12)
    with torch.no_grad():
        net.model.norm.weight += 0.25
    return net


def two(seed: int):
    calls.append((seed,))
    return {0: small_llama(5, 8, seed), 7: small_llama(5, 8, seed + 1)}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    calls.clear()
    monkeypatch.setenv("INSCAPE_TOYS", str(tmp_path / "toys"))
    return tmp_path / "toys"


def same(a, b) -> bool:
    x, y = a.state_dict(), b.state_dict()
    return list(x) == list(y) and all(torch.equal(x[name], y[name]) for name in x)


@pytest.mark.parametrize("tied", [False, True])
def test_a_kept_network_is_the_trained_one(folder, tied):
    words, ids = Words(9, torch.arange(3)), torch.arange(1, 5)[None]
    state = torch.random.get_rng_state()
    first, again = (trained_once(toy)(words, 3, tied) for _ in range(2))
    assert len(calls) == 1
    assert torch.equal(torch.random.get_rng_state(), state)
    direct = toy(words, 3, tied)
    assert same(first, direct)
    assert same(again, direct)
    assert not same(again, trained_once(toy)(words, 4, tied))
    assert again.config.intermediate_size == 12
    assert not again.training
    with torch.no_grad():
        assert torch.equal(again(input_ids=ids).logits, direct(input_ids=ids).logits)
    assert (again.lm_head.weight is again.model.embed_tokens.weight) == tied
    assert sorted(f.suffix for f in folder.iterdir() if f.suffix != ".lock") == [".safetensors"] * 2


@pytest.mark.parametrize(
    "args",
    [
        (Words(9, torch.arange(3)), 1),
        (Words(8, torch.arange(3)), 0),
        (Words(9, torch.arange(1, 4)), 0),
        (Words(9, torch.arange(3).int()), 0),
        (Words(9, torch.arange(3)), 0, False, np.zeros((2, 1))),
        (Words(9, torch.arange(3)), 0, False, {"a": ["b"]}),
    ],
)
def test_anything_else_is_trained(args):
    trained_once(toy)(Words(9, torch.arange(3)), 0)
    trained_once(toy)(*args)
    assert len(calls) == 2


def test_other_kernels_and_constants_are_other_toys(monkeypatch):
    trained_once(two)(1)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "OTHER")
    trained_once(two)(1)
    assert len(calls) == 2
    monkeypatch.setattr("tests.worlds.test_trained_once.RATE", 2, raising=False)
    trained_once(two)(1)
    assert len(calls) == 3


def test_networks_by_step_come_back_by_step():
    first, again = (trained_once(two)(1) for _ in range(2))
    assert len(calls) == 1
    assert list(first) == list(again) == [0, 7]
    assert same(first[7], again[7])
    assert not same(again[0], again[7])


@pytest.mark.parametrize("damage", [b"", b"\xff" * 100, None], ids=["empty", "noise", "cut"])
def test_a_damaged_file_is_trained_again(folder, damage, caplog):
    first = trained_once(two)(1)
    (file,) = folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-9] if damage is None else damage)
    assert same(trained_once(two)(1)[0], first[0])
    assert len(calls) == 2
    assert "cannot be read and is trained again" in caplog.text
    trained_once(two)(1)
    assert len(calls) == 2


def test_where_nothing_can_be_kept_it_is_trained(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("INSCAPE_TOYS", str(tmp_path / "file" / "toys"))
    assert list(trained_once(two)(1)) == [0, 7]
    assert "is trained and not kept" in caplog.text
    monkeypatch.delenv("INSCAPE_TOYS")
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    trained_once(two)(1)
    assert len(list((tmp_path / "home" / "toys").glob("*.safetensors"))) == 1


def test_what_cannot_be_hashed_is_refused():
    with pytest.raises(TypeError, match="numbers, texts, arrays and tensors, got Generator"):
        trained_once(toy)(Words(9, torch.arange(3)), 0, False, np.random.default_rng(0))
    assert module._key(two, (1,)) != module._key(two, (1.0,)) != module._key(two, ("1.0",))
