"""Compiled blocks: the numbers of what is written, hooks that act, and no compiled pass where one
could be missed.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError
from inscape.model.compile_blocks import compiled_blocks
from inscape.model.open import open
from inscape.store.harvest import harvest

from .nets import D, net, tokenizer

IDS = [[5, 6, 7, 8, 9], [10, 11]]


class Counting:
    """A backend of torch.compile that counts how often what it was given is run."""

    def __init__(self):
        self.runs = 0

    def __call__(self, graph, _inputs):
        def run(*args):
            self.runs += 1
            return graph.forward(*args)

        return run


def compiled(family: str):
    torch._dynamo.reset()
    counting = Counting()
    model = open(net(family), tokenizer=tokenizer())
    model.compiled = compiled_blocks(model, counting)
    return model, counting


@pytest.fixture(scope="module")
def _llama():
    """Compiled once for all tests that leave it as it was; compiling takes seconds."""
    yield compiled("llama")
    torch._dynamo.reset()


@pytest.fixture
def llama(_llama):
    model, counting = _llama
    counting.runs = 0
    return model, counting


@pytest.mark.parametrize("site", ["q.1", "mlp_act.0", "pattern.1", "z.0"])
def test_passes_into_blocks_run_as_written(site, llama):
    model, counting = llama
    found = model.run(IDS, site)[site]
    assert counting.runs == 0
    torch.testing.assert_close(found, open(net("llama")).run(IDS, site)[site])
    if site != "pattern.1":
        moved = model.run(IDS, "resid_post.2", edits=Add(Scope(site), torch.ones(found.shape[-1])))
        assert counting.runs == 0
        assert not torch.allclose(
            moved["resid_post.2"], model.run(IDS, "resid_post.2")["resid_post.2"], atol=1e-3
        )


def test_gradients_and_hooks_of_the_users_own_run_as_written(llama):
    model, counting = llama
    model.run(IDS, "resid_post.0", grad_of=lambda logits: logits[:, 0, 7].sum())
    assert counting.runs == 0
    inside = model.net.model.layers[0].mlp
    handle = inside.register_forward_hook(lambda _m, _a, out: 2 * out)
    changed = model.run(IDS, "resid_post.0")["resid_post.0"]
    assert counting.runs == 0
    handle.remove()
    back = model.run(IDS, "resid_post.0")["resid_post.0"]
    assert counting.runs > 0
    assert not torch.allclose(changed, back, atol=1e-3)


def test_weights_that_are_trained_on_count_and_nothing_is_left_behind(llama):
    model, _ = llama
    blocks = list(model.net.model.layers)
    before = model.run(IDS, "resid_post.1")["resid_post.1"]
    with torch.no_grad():
        blocks[0].mlp.down_proj.weight.mul_(3)
    after = model.run(IDS, "resid_post.1")["resid_post.1"]
    assert not torch.allclose(before, after, atol=1e-3)
    network = net("llama")
    network.load_state_dict(model.net.state_dict())
    want = open(network).run(IDS, "resid_post.1")["resid_post.1"]
    torch.testing.assert_close(after, want, atol=1e-5, rtol=1e-4)
    assert not any("forward" in block.__dict__ for block in blocks)
    with torch.no_grad():
        blocks[0].mlp.down_proj.weight.div_(3)


@pytest.mark.parametrize("family", ["llama", "gpt2", "bert"])
def test_passes_at_the_ends_of_blocks_are_compiled_and_give_the_same(family, request):
    held = request.getfixturevalue("llama") if family == "llama" else compiled(family)
    model, counting = held
    assert model.compiled.gap < 1e-5
    counting.runs = 0
    plain = open(net(family), tokenizer=tokenizer())
    edit = Add(Scope("resid_post.0", positions="last"), torch.ones(D))
    found = model.run(IDS, "resid_post.*", edits=edit)
    want = plain.run(IDS, "resid_post.*", edits=edit)
    assert counting.runs >= 3
    for site in want:
        torch.testing.assert_close(found[site], want[site], atol=1e-5, rtol=1e-4)
    free = plain.run(IDS, "resid_post.*")
    assert not torch.allclose(found["resid_post.1"], free["resid_post.1"], atol=1e-3)


def test_opening_compiled_harvests_into_a_store_of_its_own(tmp_path):
    net("llama").save_pretrained(tmp_path / "saved")
    plain = harvest(open(tmp_path / "saved"), IDS, "resid_post.1")
    model = open(tmp_path / "saved", compile="eager")
    assert model.certificate.passed
    found = harvest(model, IDS, "resid_post.1")
    assert found.path != plain.path
    torch.testing.assert_close(
        torch.tensor(found.matrix("resid_post.1")), torch.tensor(plain.matrix("resid_post.1"))
    )


def test_what_is_refused():
    with pytest.raises(ModelError, match="no known family"):
        compiled_blocks(open(nn.Sequential(nn.Linear(3, 3))), "eager")

    def broken(_graph, _inputs):
        raise RuntimeError("no compiler here")

    with pytest.raises(ModelError, match="cannot be compiled here .*open it without compile"):
        compiled_blocks(open(net("llama")), broken)

    def wrong(graph, _inputs):
        return lambda *args: tuple(
            1.01 * x if x.is_floating_point() else x for x in graph.forward(*args)
        )

    torch._dynamo.reset()
    with pytest.raises(ModelError, match="gives other numbers .off by"):
        compiled_blocks(open(net("llama")), wrong)
    network = net("llama")
    network.model.layers[0].mlp.register_forward_hook(lambda _m, _a, out: out)
    with pytest.raises(ModelError, match="hooks of its own in its blocks"):
        compiled_blocks(open(network), "eager")
