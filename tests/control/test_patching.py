"""Patching maps: equal to one pass a cell, whole at the ends, estimated by gradients where the
metric is straight.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.patching import attribution_map, patch_map
from inscape.core.edit import Replace, Scope
from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.model.skip import begun_at
from tests.model import nets

BASE, SOURCE = (
    ["the river of Paris is good", "a sea of London is bad"],
    ["a mountain of London is bad", "the sea in Paris runs ."],
)


def metric(logits, _rows):
    return logits[:, 7] - logits[:, 11]


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma3"])
def model(request):
    return Model(nets.net(request.param), nets.tokenizer())


def test_every_cell_is_what_one_pass_with_one_edit_gives(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    sites = ["resid_pre.0", "attn_out.1", "mlp_out.*", "z.2.3", "resid_post.1"]
    told = []
    found = patch_map(
        model, base, source, sites, metric, budget=30, progress=lambda *at: told.append(at)
    )
    assert len(told) > 1
    assert told[-1] == (found.values.size, found.values.size)
    assert np.ptp(found.values) > 0.01
    given = model.run(model.collate(source), sites)
    for i, site in enumerate(found.sites):
        for p in found.positions:
            for k in range(2):
                value = model.run([base[k]], site)[site].clone()
                value[0, p] = given[site][k, p]
                edit = Replace(Scope(site, (p,)), value)
                logits = model.run([base[k]], edits=edit, logits=True).logits
                assert found.values[i, p, k] == pytest.approx(
                    float(metric(logits[:, -1], None)[0]), abs=2e-4
                )


def test_all_of_the_answer_is_in_the_last_stream_and_none_before_what_differs(model):
    base, source = (
        model.tokenize(["the river of Paris is good"]),
        model.tokenize(["the river of London is good"]),
    )
    found = patch_map(model, base, source, "resid_pre.*, resid_post.2", metric)
    assert found.effect[-1, -1] == pytest.approx(1, abs=1e-3)
    assert found.effect[0, 3] == pytest.approx(
        1, abs=1e-3
    )  # the one token that differs, at the input
    assert np.abs(found.effect[:, :3]).max() < 1e-3
    only = patch_map(model, base, source, "resid_pre.1", metric, positions=[-1, 3])
    assert only.positions == (5, 3)
    assert np.allclose(only.values[0], found.values[1][[5, 3]], atol=1e-4)


def test_attribution_is_the_slope_of_patching(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    slope = attribution_map(model, base, source, "attn_out.*, mlp_out.*", metric)
    given = model.run(model.collate(source), "mlp_out.1")["mlp_out.1"]
    plain = model.run(model.collate(base), "mlp_out.1", logits=True)
    small = 0.02
    value = plain["mlp_out.1"].clone()
    value[:, 4] += small * (given - plain["mlp_out.1"])[:, 4]
    logits = model.run(
        model.collate(base), edits=Replace(Scope("mlp_out.1", (4,)), value), logits=True
    ).logits
    step = (metric(logits[:, -1], None) - metric(plain.logits[:, -1], None)).numpy() / small
    i = slope.sites.index("mlp_out.1")
    assert np.abs(step).max() > 1e-3
    assert np.allclose(slope.values[i, 4] - slope.base, step, atol=0.1 * np.abs(step).max() + 1e-3)


def test_a_pass_begun_in_the_middle_is_the_whole_pass(model):
    ids = model.tokenize(BASE)
    whole = model.run(model.collate(ids), ["resid_pre.2", "resid_post.2"], logits=True)
    with begun_at(model, 2, whole["resid_pre.2"]):
        found = model.run(model.collate(ids), "resid_post.2", logits=True)
    assert torch.allclose(found.logits, whole.logits, atol=1e-5)
    assert torch.allclose(found["resid_post.2"], whole["resid_post.2"], atol=1e-5)
    with pytest.raises(RuntimeError, match="inside"), begun_at(model, 2, whole["resid_pre.2"] * 0):
        raise RuntimeError("inside")
    assert torch.equal(
        model.run(model.collate(ids), logits=True).logits, whole.logits
    )  # nothing is left behind
    assert nets.live_hooks(model.net) == 0


def test_refusals(model):
    base, source = model.tokenize(BASE), model.tokenize(SOURCE)
    with pytest.raises(
        ValueError, match="2 base and 1 source texts; give one source for each base"
    ):
        patch_map(model, base, source[:1], "embed", metric)
    with pytest.raises(ValueError, match="texts have 1 to 6 tokens"):
        patch_map(model, base, model.tokenize(["the", "a sea"]), "embed", metric)
    with pytest.raises(ValueError, match="positions must be within the 6 tokens"):
        patch_map(model, base, source, "embed", metric, positions=[6])
    with (
        pytest.raises(ModelError, match="has blocks 0 to 2, not 3"),
        begun_at(model, 3, torch.zeros(1)),
    ):
        pass
    bert = Model(nets.net("bert"), nets.tokenizer())
    with (
        pytest.raises(ModelError, match="only the blocks of a causal"),
        begun_at(bert, 1, torch.zeros(1)),
    ):
        pass
