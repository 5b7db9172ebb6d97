"""Head maps: each cell is one pass with one head put in; the estimate is its slope; heads of a
layer make the layer.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.control.head_maps import head_map, heads_of
from inscape.control.patching import patch_map
from inscape.core.edit import Replace, Scope
from inscape.core.errors import ModelError
from inscape.model.model import Model
from tests.model import nets

BASE, SOURCE = ["the river of Paris is good"], ["a mountain of London is bad"]


def metric(logits, _rows):
    return logits[:, 7] - logits[:, 11]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request):
    return Model(nets.net(request.param), nets.tokenizer())


@pytest.fixture(scope="module")
def pair(model):
    return model.tokenize(BASE), model.tokenize(SOURCE)


def test_every_head_and_position_is_one_pass_with_one_edit(model, pair):
    found = head_map(model, *pair, metric, budget=40)
    assert found.values.shape == (nets.LAYERS, nets.HEADS, 6, 1)
    assert found.layers == (0, 1, 2)
    for layer, head, p in ((0, 3, 2), (1, 0, 5), (2, 2, 5)):
        site = f"z.{layer}.{head}"
        value = model.run(pair[0], site)[site].clone()
        value[0, p] = model.run(pair[1], site)[site][0, p]
        logits = model.run(pair[0], edits=Replace(Scope(site), value), logits=True).logits
        assert found.values[layer, head, p, 0] == pytest.approx(
            float(metric(logits[:, -1], None)[0]), abs=2e-5
        )
    assert np.abs(found.values - found.cells.base).max() > 0.01
    assert found.effect.shape == (nets.LAYERS, nets.HEADS, 6)
    assert (
        np.abs(found.effect[2, :, :5]).max() < 1e-4
    )  # the last layer is read at the last token only


def test_heads_of_one_layer_at_the_last_token_nearly_sum_to_the_layer(model, pair):
    """After the last attention come a norm and an MLP, so not exactly."""
    heads = head_map(model, *pair, metric, layers=[2], positions=[-1])
    whole = patch_map(model, *pair, "attn_out.2", metric, positions=[-1])
    parts, all_of_it = (heads.values - heads.cells.base).sum(), (whole.values - whole.base).sum()
    assert abs(all_of_it) > 1e-3
    assert parts == pytest.approx(all_of_it, abs=0.5 * abs(all_of_it) + 0.02)


def test_the_estimate_is_the_slope(model, pair):
    some = head_map(model, *pair, metric, estimate=True, layers=[1], positions=[-1, 2])
    every = head_map(model, *pair, metric, estimate=True)
    assert some.cells.positions == (5, 2)
    assert np.allclose(some.values[0], every.values[1][:, [5, 2]], atol=1e-6)
    real = head_map(model, *pair, metric)
    one, other = ((m.values - m.cells.base).ravel() for m in (every, real))
    assert np.corrcoef(one, other)[0, 1] > 0.7


def test_a_network_without_heads_is_refused():
    import torch

    with pytest.raises(ModelError, match="has no attention heads whose results could be read"):
        heads_of(Model(torch.nn.Linear(2, 2)))
