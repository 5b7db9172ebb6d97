"""A sub-module trained by regression alone gives, inside the model, the residual that the
regression promised.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from inscape.control.submodule_training import (
    Regression,
    contrastive_targets,
    regression,
    train_submodule,
)
from inscape.core.batch import Tokens
from inscape.core.edit import Add, Scope
from inscape.core.errors import ModelError
from inscape.model.model import Model
from tests.model import nets

LAYER = 1


def tokens(lengths=(5, 5, 5, 3, 3, 7, 7, 5), seed=0):
    rng = np.random.default_rng(seed)
    return [
        Tokens(
            rng.integers(3, nets.VOCABULARY, n),
            np.zeros((n, 2), dtype=np.int64),
            np.zeros(n, dtype=bool),
        )
        for n in lengths
    ]


def last(model: Model, rows: list[Tokens], layer: int = LAYER) -> torch.Tensor:
    at = torch.tensor([[len(t) - 1] for t in rows])
    return model.run(rows, f"resid_post.{layer}", at=at)[f"resid_post.{layer}"][:, 0]


def steered(data: Regression, seed: int = 0) -> torch.Tensor:
    v = np.random.default_rng(seed).normal(size=data.residual.shape[1])
    return contrastive_targets(data.residual, np.arange(len(data.residual)) % 2 == 0, v, 0.3)


CASES = [
    ("llama", "mlp"),
    ("llama", "attention"),
    ("llama", "mlp.down_proj"),
    ("llama", "self_attn.o_proj"),
    ("gpt2", "mlp"),
    ("gpt2", "attn.c_attn"),
    ("neox", "mlp"),
    ("gemma2", "mlp"),
    ("opt", "fc2"),
    ("opt-post", "fc1"),
]


@pytest.mark.parametrize(("family", "part"), CASES)
def test_the_model_keeps_what_the_regression_promised(family, part):
    model, rows = Model(nets.net(family)), tokens()
    before = last(model, rows)
    data = regression(model, rows, LAYER, part, batch=3)
    assert torch.allclose(data.residual, before, atol=1e-5)
    targets = steered(data)
    found = train_submodule(
        data, targets, steps=60, rate=3e-3, batch=4, rng=np.random.default_rng(0)
    )
    after = last(found.put_into(model), rows)
    assert torch.allclose(after, found.promised, atol=2e-5)
    assert (after - before).abs().max() > 0.05  # something was learnt
    assert found.left < 0.9
    assert found.departure(before, after) < 1e-3
    assert found.departure(before, before) == pytest.approx(1.0)
    assert found.count == sum(w.numel() for w in found.weights.values()) > 0
    assert torch.equal(last(model, rows), before)  # the original is as it was


def test_only_the_submodule_is_changed_and_only_what_comes_after_it():
    model, rows = Model(nets.net("llama")), tokens()
    data = regression(model, rows, LAYER, "mlp.down_proj")
    found = train_submodule(data, steered(data), steps=20, rng=np.random.default_rng(0))
    assert list(found.weights) == ["model.layers.1.mlp.down_proj.weight"]
    made = found.put_into(model)
    own, new = model.net.state_dict(), made.net.state_dict()
    assert [name for name in own if not torch.equal(own[name], new[name])] == list(found.weights)
    assert torch.equal(last(made, rows, 0), last(model, rows, 0))


def test_enough_weights_meet_every_target_and_equal_the_edit():
    """More hidden units than rows: the MLP can give what is asked exactly, and then the logits are
    those of the edit.
    """
    model, rows = Model(nets.net("llama")), tokens((5,) * 6)
    data = regression(model, rows, LAYER)
    v = torch.from_numpy(np.random.default_rng(1).normal(size=nets.D)).float()
    found = train_submodule(
        data, data.residual + v, steps=900, rate=1e-2, batch=6, rng=np.random.default_rng(0)
    )
    assert found.left < 1e-5 < found.losses[0]
    edit = Add(Scope(f"resid_post.{LAYER}", "last"), v)
    plain, asked = (model.run(rows, logits=True, edits=e).logits[:, -1] for e in (None, edit))
    got = found.put_into(model).run(rows, logits=True).logits[:, -1]
    assert (asked - plain).abs().max() > 0.5
    # the new weights act at earlier tokens too, which later blocks attend to: close, not equal
    assert (got - asked).square().sum() < 0.5 * (plain - asked).square().sum()


def test_where_nothing_is_asked_nothing_changes():
    model, rows = Model(nets.net("llama")), tokens()
    data = regression(model, rows, LAYER)
    found = train_submodule(data, data.residual, steps=5, rng=np.random.default_rng(0))
    assert found.left == 0.0
    assert not len(found.losses)
    assert all(torch.equal(x, model.net.state_dict()[name]) for name, x in found.weights.items())
    assert torch.allclose(found.promised, data.residual, atol=1e-5)


def test_it_is_training_in_the_whole_model_without_running_it():
    """The slow way: the same steps on the same weights, every one a pass of the model with its loss
    at the residual.
    """
    model, rows, steps = Model(nets.net("llama")), tokens((5,) * 8), 6
    data = regression(model, rows, LAYER)
    targets = steered(data)
    found = train_submodule(
        data, targets, steps=steps, rate=1e-2, batch=8, rng=np.random.default_rng(0)
    )
    net, ids = copy.deepcopy(model.net), torch.from_numpy(np.stack([t.ids for t in rows]))
    learnt = dict(net.model.layers[LAYER].mlp.named_parameters(prefix=f"model.layers.{LAYER}.mlp"))
    optimiser, losses = torch.optim.Adam(learnt.values(), lr=1e-2), []
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 1e-2 * (1 if step == 0 else (steps - step) / (steps - 1))
        h = net.model(input_ids=ids, output_hidden_states=True, use_cache=False).hidden_states[
            LAYER + 1
        ]
        loss = (h[:, -1] - targets).square().mean()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.9 * losses[0]
    assert np.allclose(found.losses, losses, rtol=1e-3)
    assert set(found.weights) == set(learnt)
    assert all(torch.allclose(found.weights[name], p, atol=2e-3) for name, p in learnt.items())


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.floats(-3, 3), st.integers(0, 99))
def test_targets_of_opposite_labels_mirror_each_other(n, strength, seed):
    rng = np.random.default_rng(seed)
    h, v, abstain = (
        torch.from_numpy(rng.normal(size=(n, 4))),
        rng.normal(size=4),
        rng.random(n) < 0.5,
    )
    one, other = (
        contrastive_targets(h, abstain, v, strength),
        contrastive_targets(h, ~abstain, v, strength),
    )
    assert torch.allclose(one + other, 2 * h)
    assert torch.allclose(one, contrastive_targets(h, ~abstain, -v, strength))


def test_a_copy_is_saved_and_opened_like_any_checkpoint(tmp_path):
    model, rows = Model(nets.net("llama")), tokens((5, 5))
    data = regression(model, rows, LAYER)
    made = train_submodule(data, steered(data), steps=20, rng=np.random.default_rng(0)).put_into(
        model
    )
    made.net.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = torch.from_numpy(np.stack([t.ids for t in rows]))
    with torch.no_grad():
        assert torch.allclose(
            again(input_ids=ids).logits, made.run(rows, logits=True).logits, atol=1e-5
        )


def test_the_same_generator_gives_the_same_weights():
    data = regression(Model(nets.net("llama")), tokens(), LAYER)
    one, two = (
        train_submodule(data, steered(data), steps=5, rng=np.random.default_rng(7)).weights
        for _ in range(2)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_refusals():
    model, rows = Model(nets.net("llama")), tokens((4, 4))
    with pytest.raises(ModelError, match="only blocks of a causal language model"):
        regression(Model(nets.net("bert")), rows, 0)
    with pytest.raises(ModelError, match="has blocks 0 to 2, not 3"):
        regression(model, rows, 3)
    with pytest.raises(ModelError, match=r"a block has no sub-module 'mlp.down'. Did you mean"):
        regression(model, rows, 0, "mlp.down")
    with pytest.raises(ModelError, match="a block has no sub-module 'mlp'"):
        regression(Model(nets.net("opt")), rows, 0, "mlp")
    with pytest.raises(ValueError, match="no inputs; give at least one text"):
        regression(model, [], 0)
    data = regression(model, rows, 0)
    with pytest.raises(
        ValueError, match=r"targets must be \(2, 32\) like the residual, got \(1, 32\)"
    ):
        train_submodule(data, data.residual[:1], rng=np.random.default_rng(0))
    with pytest.raises(ModelError, match="the loss of step 0 is nan; lower rate"):
        train_submodule(data, data.residual * float("nan"), steps=1, rng=np.random.default_rng(0))
    found = train_submodule(data, data.residual, steps=1, rng=np.random.default_rng(0))
    with pytest.raises(ModelError, match="these weights belong to another model"):
        found.put_into(Model(nets.net("gpt2")))
