"""Continuations behind a held prefix are those of whole examples, in every causal family, at every
position and row.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.edit import Add, Scope
from inscape.core.site import Site
from inscape.model import certificate, prefix
from inscape.model.checks import Item
from inscape.model.model import Model
from inscape.model.open import open
from tests.model.nets import CAUSAL, NETS, VOCABULARY, live_hooks, net

RNG = np.random.default_rng(0)
STARTS = [RNG.integers(3, VOCABULARY, size=n) for n in (12, 5)]
PARTS = [[RNG.integers(3, VOCABULARY, size=n) for n in sizes] for sizes in ((3, 1, 4), (2, 6))]


def vectors(model: Model) -> list[Site]:
    return [site for site in model.sites if site.point != "pattern"]


def value(found, site):
    return found.logits if site.point == "logits" else found[site]


@pytest.mark.parametrize("family", CAUSAL)
def test_rows_behind_prefixes_are_whole_passes(family):
    model = Model(net(family))
    sites = vectors(model)
    held = [prefix.begin(model, ids, sites, np.arange(len(ids))) for ids in STARTS]
    rows = [prefix.Row(p, parts) for p, parts in zip(held, PARTS, strict=True)]
    assert [len(row) for row in rows] == [8, 8]
    found = prefix.resume(model, rows, sites, torch.arange(8).expand(2, -1))
    for r, parts in enumerate(PARTS):
        first = 0
        for part in parts:
            whole = model.run(
                {"input_ids": torch.from_numpy(np.concatenate([STARTS[r], part]))[None]}, sites
            )
            for site in sites:
                x = value(whole, site)[0]
                after = value(found, site)[r, first : first + len(part)]
                torch.testing.assert_close(after, x[-len(part) :], atol=3e-5, rtol=1e-4)
                before = value(held[r].activations, site)[0]
                torch.testing.assert_close(before, x[: len(STARTS[r])], atol=3e-5, rtol=1e-4)
            first += len(part)
    assert live_hooks(model.net) == 0


def test_a_continuation_sees_its_own_prefix_and_no_neighbour():
    model = Model(net("llama"))
    site = [Site("resid_post", 2)]
    one, two = (prefix.begin(model, ids, site, np.zeros(0, int)) for ids in STARTS)
    part, other = PARTS[0][0], PARTS[1][1]

    def last(p, parts):
        return prefix.resume(model, [prefix.Row(p, parts)], site, torch.tensor([[2]]))[site[0]]

    alone = last(one, [part])
    torch.testing.assert_close(last(one, [part, other]), alone)
    assert (last(two, [part]) - alone).abs().max() > 1e-2


def test_a_pass_behind_a_prefix_stops_at_the_deepest_site_and_holds_no_deeper_layer():
    model = Model(net("llama"))
    ran = []
    for i, block in enumerate(model.atlas.blocks):
        block.register_forward_pre_hook(lambda *_, i=i: ran.append(i))
    sites = [Site("resid_post", 1)]
    held = prefix.begin(model, STARTS[0], sites, np.zeros(0, int))
    assert len(held.layers) == 2
    assert all(k.shape[:1] + k.shape[2:3] == (1, 12) for k, _ in held.layers)
    before = [k.clone() for k, _ in held.layers]
    prefix.resume(model, [prefix.Row(held, PARTS[0])], sites, torch.tensor([[0]]))
    assert set(ran) == {0, 1}
    for (k, _), was in zip(held.layers, before, strict=True):
        assert torch.equal(k, was)  # what is held is never added to


def test_patterns_are_refused():
    model = Model(net("llama"))
    held = prefix.begin(model, STARTS[0], [Site("embed")], np.zeros(0, int))
    with pytest.raises(ValueError, match="a pattern is of one example over all its keys"):
        prefix.resume(
            model, [prefix.Row(held, PARTS[0])], [Site("pattern", 0)], torch.tensor([[0]])
        )


@pytest.mark.parametrize("family", NETS)
def test_the_certificate_has_the_item_where_it_applies(family):
    found = [item for item in open(net(family)).certificate.items if item.name == prefix.NAME]
    assert [item.passed for item in found] == [True] * (family in CAUSAL)
    assert all(item.value < 1e-5 for item in found)


@pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float64, 1e-12), (torch.bfloat16, 5e-2), (torch.float16, 1e-2)]
)
def test_the_item_holds_in_other_dtypes(dtype, most):
    item = prefix.item(Model(net("llama").to(dtype)))
    assert item.passed
    assert item.value < most


def test_a_network_that_forgets_its_prefix_is_found_out(monkeypatch):
    model = open(net("llama"))
    monkeypatch.setattr(
        prefix._Layer,
        "_stacked",
        lambda self, parts: torch.zeros_like(parts[0]).expand(2, -1, -1, -1),
    )
    item = prefix.item(model)
    assert not item.passed
    assert "changes the numbers" in item.reason
    assert item.sites == ()  # nothing is refused: prefixes are not shared, that is all


def test_a_network_that_takes_no_prefix_is_found_out(monkeypatch):
    model = open(net("llama"))

    def bare(input_ids, use_cache=False):
        raise AssertionError

    monkeypatch.setattr(model.atlas.body, "forward", bare)
    item = prefix.item(model)
    assert not item.passed
    assert item.value == float("inf")
    assert "does not take a prefix" in item.reason


def test_nothing_is_measured_of_damaged_weights():
    damaged = net("llama")
    with torch.no_grad():
        damaged.get_input_embeddings().weight.fill_(float("nan"))
    model = Model(damaged)
    certificate.certify(model)
    assert [item.name for item in model.certificate.items] == ["finite"]


def test_where_it_does_not_apply_it_says_why():
    assert prefix.applies(Model(net("llama")), 50) == ""
    assert "only a causal model" in prefix.applies(Model(net("bert")), 5)
    windowed = net("mistral")
    windowed.config.sliding_window = 8
    assert prefix.applies(Model(windowed), 8) == ""
    assert "a window of 8 tokens, and an example has 9" in prefix.applies(Model(windowed), 9)
    both_ways = net("llama")
    both_ways.config.is_causal = False
    assert "only a causal model" in prefix.applies(Model(both_ways), 5)
    model = Model(net("llama"))
    with model.edited(Add(Scope("embed"), torch.ones(1))):
        assert "edits are in force" in prefix.applies(model, 5)


def test_what_is_proved_is_measured_once(monkeypatch):
    model = Model(net("llama"))
    assert prefix.proved(model).passed
    monkeypatch.setattr(prefix, "item", lambda _: Item(prefix.NAME, False, 1.0, 0.0))
    assert prefix.proved(model).passed
    assert not prefix.proved(Model(net("llama"))).passed
    assert prefix.proved(open(net("llama"))) is not None
