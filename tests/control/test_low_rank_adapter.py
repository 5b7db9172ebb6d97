"""Low-rank adapters: nothing at first, what the formula says after, exact when merged, gone after
the block.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from inscape.control.low_rank_adapter import (
    LowRankAdapters,
    attached,
    gates,
    low_rank_adapters,
    merged,
    writers,
)
from inscape.core.edit import ProjectOut, Scope
from inscape.core.errors import ModelError, SiteError
from inscape.model.model import Model
from tests.model import nets

IDS = {"input_ids": torch.tensor([[5, 9, 17, 3, 44], [7, 7, 80, 21, 2]])}
DOWN = {
    "llama": "model.layers.*.mlp.down_proj",
    "gpt2": "transformer.h.*.mlp.c_proj",
    "neox": "gpt_neox.layers.*.mlp.dense_4h_to_h",
}


def filled(
    model: Model, pattern: str, rank: int = 2, seed: int = 0, alpha: float | None = None
) -> LowRankAdapters:
    """Adapters whose B is no longer zero."""
    drawn = torch.Generator().manual_seed(seed)
    made = low_rank_adapters(model, pattern, rank, alpha, generator=drawn)
    with torch.no_grad():
        for b in made.up.values():
            b.normal_(0.0, 0.5, generator=drawn)
    return made


@pytest.mark.parametrize("family", list(DOWN))
def test_nothing_at_first_and_equal_when_merged(family):
    model = Model(nets.net(family))
    plain, before = model.run(IDS, logits=True).logits, model.weights_hash
    fresh = low_rank_adapters(model, DOWN[family], 2, generator=torch.Generator().manual_seed(0))
    assert len(fresh.names) == nets.LAYERS
    assert fresh.fan_in_fan_out == (family == "gpt2")
    with attached(model, fresh):
        assert torch.equal(model.run(IDS, logits=True).logits, plain)
    trained = filled(model, DOWN[family], alpha=3.0)
    with attached(model, trained):
        changed = model.run(IDS, logits=True).logits
    assert (changed - plain).abs().max() > 0.05
    made = merged(model, trained)
    assert torch.allclose(made.run(IDS, logits=True).logits, changed, atol=2e-5)
    assert made.weights_hash != before
    assert torch.equal(model.run(IDS, logits=True).logits, plain)  # the original is as it was
    assert Model(model.net).weights_hash == before


def test_the_formula_on_one_layer():
    net = nn.Sequential(nn.Linear(3, 4))
    model, x = Model(net), torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    adapters = filled(model, "0", rank=2, alpha=6.0)
    a, b = adapters.down["0"], adapters.up["0"]
    with attached(model, adapters), torch.no_grad():
        found = net(x)
    wanted = net(x) + 3.0 * x @ a.T @ b.T
    assert torch.allclose(found, wanted, atol=1e-6)
    assert not torch.allclose(found, net(x), atol=1e-2)
    assert torch.allclose(adapters.update("0"), 3.0 * b @ a)


def test_blocks_add_up_and_end_when_something_is_raised():
    model = Model(nets.net("llama"))
    plain = model.run(IDS, logits=True).logits
    one, two = (
        filled(model, DOWN["llama"], seed=1),
        filled(model, "model.layers.1.mlp.up_proj", seed=2),
    )
    with attached(model, one), attached(model, two):
        both = model.run(IDS, logits=True).logits
    assert torch.allclose(
        both, merged(merged(model, one), two).run(IDS, logits=True).logits, atol=2e-5
    )
    with pytest.raises(RuntimeError, match="stopped"), attached(model, one):
        raise RuntimeError("stopped")
    assert torch.equal(model.run(IDS, logits=True).logits, plain)


def test_edits_and_captures_see_what_adapters_write():
    model = Model(nets.net("llama"))
    adapters = filled(model, DOWN["llama"])
    q = torch.eye(nets.D)[:1]
    edit = [ProjectOut(Scope("mlp_out.*"), q)]
    plain = model.run(IDS, "mlp_out.1")["mlp_out.1"]
    with attached(model, adapters):
        found = model.run(IDS, "mlp_out.1")["mlp_out.1"]
        without = model.run(IDS, "mlp_out.1", edits=edit)["mlp_out.1"]
    assert (found - plain).abs().max() > 0.05
    assert found[..., 0].abs().max() > 1e-3
    assert without[..., 0].abs().max() < 1e-6


def test_gates_are_what_is_written_over_b():
    model = Model(nets.net("llama"))
    adapters = filled(model, DOWN["llama"], rank=1)
    last = adapters.names[-1]
    found = gates(model, adapters, IDS)[last]
    assert found.shape == (2, 5, 1)
    with attached(model, adapters.without([last])):
        less = model.run(IDS, "mlp_out.2")["mlp_out.2"]
    with attached(model, adapters):
        more = model.run(IDS, "mlp_out.2")["mlp_out.2"]
    assert torch.allclose(more - less, found @ adapters.up[last].detach().T, atol=1e-4)
    at = torch.tensor([[4], [2]])
    # a product over fewer rows may take another kernel; atol is 64 terms × 2⁻²³ × values of about
    # 0.2, rounded up
    assert torch.allclose(
        gates(model, adapters, IDS, at)[last][:, 0], found[torch.arange(2), at[:, 0]], atol=1e-5
    )
    assert (found[:, 1:] - found[:, :-1]).abs().max() > 1e-3  # another position has another gate


@pytest.mark.parametrize("family", list(DOWN))
def test_writers_are_the_layers_that_write(family):
    model = Model(nets.net(family))
    found = writers(model, "mlp_out", range(nets.LAYERS))
    assert found == low_rank_adapters(model, DOWN[family], 1, generator=torch.Generator()).names
    assert writers(model, "attn_out", [1])[0] not in found
    with pytest.raises(SiteError, match="mlp_out.9"):
        writers(model, "mlp_out", [9])


def test_knock_outs():
    model = Model(nets.net("llama"))
    adapters = filled(model, DOWN["llama"])
    first, middle, last = adapters.names
    assert adapters.without([middle]).names == [first, last]
    assert adapters.only([middle]).names == [middle]
    assert adapters.only([middle]).down[middle] is adapters.down[middle]
    with pytest.raises(ValueError, match="no adapter on 'model.layers.9"):
        adapters.without(["model.layers.9.mlp.down_proj"])
    with pytest.raises(ValueError, match="at least one"):
        adapters.without(adapters.names)


@given(st.integers(1, 4), st.floats(0.5, 8.0))
def test_splitting_alpha_between_b_and_scale_changes_nothing(rank, alpha):
    drawn = torch.Generator().manual_seed(rank)
    a, b = torch.randn(rank, 5, generator=drawn), torch.randn(3, rank, generator=drawn)
    one = LowRankAdapters({"fc": a}, {"fc": b}, alpha)
    two = LowRankAdapters({"fc": a}, {"fc": b * alpha / rank}, float(rank))
    assert torch.allclose(one.update("fc"), two.update("fc"), atol=1e-5)
    assert torch.linalg.matrix_rank(one.update("fc")) <= rank


def test_refusals():
    model, drawn = Model(nets.net("llama")), torch.Generator().manual_seed(0)
    with pytest.raises(ModelError, match="names no linear layer"):
        low_rank_adapters(model, "model.layers.*.mlp.down", 1, generator=drawn)
    with pytest.raises(ValueError, match="rank must be at least 1, got 0"):
        low_rank_adapters(model, DOWN["llama"], 0, generator=drawn)
    with pytest.raises(ModelError, match="shares its weight with transformer.wte"):
        low_rank_adapters(Model(nets.net("gpt2")), "lm_head", 1, generator=drawn)
    with (
        pytest.raises(ModelError, match="has no linear layer 'fc'"),
        attached(model, LowRankAdapters({"fc": torch.ones(1, 2)}, {"fc": torch.ones(2, 1)}, 1.0)),
    ):
        pass
    name = "model.layers.0.mlp.down_proj"
    with pytest.raises(ModelError, match=r"its adapter is for \(2, 2\)"):
        merged(model, LowRankAdapters({name: torch.ones(1, 2)}, {name: torch.ones(2, 1)}, 1.0))
    with pytest.raises(ValueError, match=r"got ranks \[1, 2\]"):
        LowRankAdapters({"fc": torch.ones(1, 2)}, {"fc": torch.ones(2, 2)}, 1.0)
