"""An edit whose tensor the network does not read, or whose module it does not call, is refused; all
others act.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from inscape.core.edit import Add, Replace, Scope
from inscape.core.errors import SiteError
from inscape.core.site import Site
from inscape.model import checks
from inscape.model.model import Model
from tests.model.nets import D, net, tokenizer
from tests.model.tiny import TINY, tiny, tower

IDS = {"input_ids": torch.tensor([[5, 6, 7, 8, 9], [9, 8, 7, 6, 5]])}
UNREAD = "changes nothing: the network does not read that tensor"


def moved(model: Model, site: str, given=IDS, logits: bool = True, size: int | None = None) -> bool:
    """Whether the logits move under an edit at a site."""
    edit = Replace(Scope(site), torch.zeros(()))
    before, after = (model.run(given, logits=logits, edits=e).logits for e in (None, edit))
    return not torch.equal(before, after)


@pytest.mark.parametrize("name", ["gpt_oss", "mixtral", "qwen2_moe", "olmoe"])
def test_a_routers_logits_that_nothing_reads_are_not_edited_in_silence(name):
    model = Model(tiny(name))
    path = next(p for p, m in model.net.named_modules() if "Router" in type(m).__name__)
    with (
        torch.no_grad()
    ):  # what is edited is the first that it gives, and the block reads the others
        first, *others = model.net.get_submodule(path)(torch.randn(4, 32))
    assert len(others) == 2
    assert first.shape[-1] == 4
    with pytest.raises(SiteError, match=f"an edit at module:{path}:out {UNREAD}"):
        moved(model, f"module:{path}:out")
    with (
        pytest.raises(SiteError, match=UNREAD),
        model.edited(Replace(Scope(f"module:{path}:out"), torch.zeros(()))),
    ):
        model.run(IDS, "resid_post.0")
    assert moved(model, f"module:{path}:in")  # which is read
    parent = path.rpartition(".")[0]
    assert moved(model, f"module:{parent}:out")


def test_generation_refuses_what_is_not_read_too():
    model = Model(tiny("gpt_oss"), tokenizer())
    with pytest.raises(SiteError, match=UNREAD):
        site = "module:model.layers.0.mlp.router:out"
        model.generate("a b", 2, edits=Replace(Scope(site), torch.zeros(())))


class Beside(nn.Module):
    """A network with a module that is computed for nothing, one that is not called, and one that a
    capture sees.
    """

    def __init__(self):
        super().__init__()
        self.main, self.idle = nn.Linear(6, 6), nn.Linear(6, 6)
        self.never, self.watched = nn.Linear(6, 6), nn.Linear(6, 6)
        self.watcher = nn.Linear(6, 3)

    def forward(self, x):
        self.idle(x)
        self.watcher(self.watched(x))
        return self.main(x).relu()


@pytest.fixture
def beside():
    torch.manual_seed(0)
    return Model(Beside().eval())


X = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))


def test_what_is_computed_for_nothing_is_told_from_what_is_read(beside):
    assert moved(beside, "module:main:out", X)
    assert moved(beside, "module:main:in", X)
    with pytest.raises(SiteError, match=f"module:idle:out {UNREAD}"):
        moved(beside, "module:idle:out", X)
    with pytest.raises(SiteError, match="module:never:out is not computed in a forward pass"):
        moved(beside, "module:never:out", X)


def test_what_another_module_reads_can_be_edited_and_seen_there(beside):
    edit = Add(Scope("module:watched:out"), torch.ones(6))
    site = Site.parse("module:watcher:out")
    before, after = (beside.run(X, site, edits=e)[site] for e in (None, edit))
    assert float((after - before).norm()) > 0.01
    inside = Add(Scope("module:idle:in"), torch.ones(6))  # its own output is made of it
    site = Site.parse("module:idle:out")
    before, after = (beside.run(X, site, edits=e)[site] for e in (None, inside))
    assert float((after - before).norm()) > 0.01


class Chosen(nn.Module):
    """A network that calls one of its two experts."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])

    def forward(self, x):
        return self.experts[int(bool((x > 100).any()))](x)


def test_an_expert_that_was_called_once_may_be_passed_over_later():
    torch.manual_seed(0)
    model = Model(Chosen().eval())
    assert moved(model, "module:experts.1:out", X + 200)
    assert not moved(model, "module:experts.1:out", X)
    with pytest.raises(SiteError, match="experts.0:in is not computed in a forward pass"):
        moved(model, "module:experts.0:in", X + 200)


def test_the_trial_leaves_nothing_behind():
    model = Model(net("llama"))
    site = "module:model.layers.1.mlp:out"
    plain = model.run(IDS, logits=True).logits
    assert moved(model, site)
    assert torch.equal(model.run(IDS, logits=True).logits, plain)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.net.modules())
    edit = Add(Scope(site), torch.zeros(D))
    assert torch.equal(model.run(IDS, logits=True, edits=edit).logits, plain)  # a zero is no fault


def unmoved(name: str) -> list[str]:
    """Canonical sites that can be edited and whose edit moves neither the last state nor the
    logits.
    """
    model = Model(tiny(name), tower=tower(name))
    batch, head = checks.examples_of(model)[-1], model.atlas.head is not None
    last = [Site("resid_post", len(model.atlas.blocks) - 1)]
    last += [s for s in model.sites if s.point == "final_norm"]
    before, out = model.run(batch, last, logits=head), []
    noise = torch.Generator().manual_seed(0)
    for site in model.sites:
        if site.point == "logits" or not model.atlas.place(site).editable:
            continue
        by = 3 * torch.randn(model.width(site), generator=noise)
        after = model.run(batch, last, logits=head, edits=Add(Scope(str(site)), by))
        if all(torch.equal(after[s], before[s]) for s in last) and (
            before.logits is None or torch.equal(after.logits, before.logits)
        ):
            out.append(str(site))
    return out


@pytest.mark.parametrize("name", ["gpt2", "gpt_oss", "albert", "mamba2", "t5 decoder", "swin"])
def test_every_canonical_site_that_can_be_edited_moves_what_follows(name):
    assert unmoved(name) == []


@pytest.mark.slow
def test_every_canonical_site_of_every_architecture_moves_what_follows():
    assert {name: found for name in TINY if (found := unmoved(name))} == {}
