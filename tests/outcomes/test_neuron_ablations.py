"""Neurons held at their mean, and their layer-matched controls."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.errors import DataError
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.neuron_ablations import (
    extreme_neurons,
    held_at,
    layer_matched,
    matched_edits,
    neuron_means,
    next_token_entropy,
)
from tests.model import nets

TEXTS = load(
    pd.DataFrame(
        {"text": ["the river rises in the sea", "Paris is a capital", "good film , bad river !"]}
    )
)


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def test_means_are_over_real_tokens_but_the_first(model):
    means = neuron_means(model, TEXTS, batch=2)
    slow = (
        torch.cat([model.run(t, "mlp_act.1")["mlp_act.1"][0, 1:] for t in TEXTS.texts()])
        .double()
        .mean(0)
    )
    assert np.allclose(means[1], slow, atol=1e-6)
    assert set(means) == {0, 1, 2}


def test_neurons_are_held_and_others_are_not(model):
    means = neuron_means(model, TEXTS)
    neurons = pd.DataFrame({"layer": [1, 1, 2], "neuron": [3, 7, 0]})
    seen = model.run("the sea is bad", ["mlp_act.1", "mlp_act.0"], edits=held_at(means, neurons))
    free = model.run("the sea is bad", ["mlp_act.1", "mlp_act.0"])
    assert np.allclose(seen["mlp_act.1"][0, :, [3, 7]], means[1][[3, 7]], atol=1e-6)
    assert torch.equal(seen["mlp_act.1"][..., 4], free["mlp_act.1"][..., 4])
    assert torch.equal(seen["mlp_act.0"], free["mlp_act.0"])


def test_controls_are_other_neurons_of_the_same_layers():
    neurons = pd.DataFrame({"layer": [1] * 5 + [3] * 2, "neuron": [0, 1, 2, 3, 4, 8, 9]})
    avoid = pd.DataFrame({"layer": [3], "neuron": [0]})
    drawn = layer_matched(neurons, [10] * 4, rng=np.random.default_rng(0), avoid=avoid)
    assert drawn.groupby("layer").size().to_dict() == {1: 5, 3: 2}
    assert set(drawn.loc[drawn["layer"] == 1, "neuron"]) == {5, 6, 7, 8, 9}
    assert not set(drawn.loc[drawn["layer"] == 3, "neuron"]) & {0, 8, 9}
    with pytest.raises(ValueError, match="layer 1 has 5 other neurons, 6 are needed"):
        layer_matched(
            pd.DataFrame({"layer": 1, "neuron": range(6)}), [11] * 4, rng=np.random.default_rng(0)
        )


def test_entropy_is_that_of_the_next_token_and_edits_change_it(model):
    found = next_token_entropy(model, TEXTS)
    p = model.run(TEXTS.texts()[1], logits=True).logits[0, -1].double().softmax(-1)
    assert found[1] == pytest.approx(float(-(p * p.log()).sum()), abs=1e-6)
    assert (found <= np.log(nets.VOCABULARY)).all()
    everything = pd.DataFrame({"layer": 2, "neuron": range(nets.FF)})
    edits = held_at(neuron_means(model, TEXTS), everything)
    assert np.abs(next_token_entropy(model, TEXTS, edits) - found).max() > 1e-3


def test_texts_of_one_token_have_no_mean(model):
    with pytest.raises(DataError, match="no text has a second token"):
        neuron_means(model, load(pd.DataFrame({"text": ["Paris", "sea"]})))


def test_extreme_neurons_are_the_first_and_the_last_of_all_layers():
    most, least = extreme_neurons([np.array([0.1, 0.9, -0.5]), np.array([0.8, -0.9])], 2)
    assert list(zip(most["layer"], most["neuron"], strict=True)) == [(0, 1), (1, 0)]
    assert list(zip(least["layer"], least["neuron"], strict=True)) == [(0, 2), (1, 1)]
    assert least["value"].tolist() == [-0.5, -0.9]


def test_matched_edits_hold_as_many_other_neurons_of_the_layer(model):
    means = neuron_means(model, TEXTS)
    neurons = pd.DataFrame({"layer": [1, 1, 2], "neuron": [3, 7, 0]})
    streams = lambda name: np.random.default_rng(int(name))  # noqa: E731
    sets = matched_edits(means, neurons, 3, rng=streams)
    assert len(sets) == 3
    for edits in sets:
        seen = model.run("the sea is bad", ["mlp_act.1", "mlp_act.2"], edits=edits)
        for layer, own in ((1, [3, 7]), (2, [0])):
            mean = torch.from_numpy(means[layer]).float()
            held = torch.isclose(seen[f"mlp_act.{layer}"][0], mean, atol=1e-6).all(dim=0)
            assert held.sum() == len(own)
            assert not held[own].any()
    assert str(sets[0]) != str(sets[1])


def test_extremes_are_of_neurons_that_there_are():
    layers = [np.arange(3.0), np.arange(2.0)]
    for count in (0, -1, 6):
        with pytest.raises(ValueError, match="count must be between 1 and 5"):
            extreme_neurons(layers, count)
    with pytest.raises(ValueError, match="a neuron's value is NaN, which has no place"):
        extreme_neurons([np.array([1.0, np.nan])], 1)
