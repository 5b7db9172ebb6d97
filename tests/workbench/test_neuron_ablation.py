"""Neurons that a gradient names are ablated for real, and the numbers are those of a plain edit."""

import numpy as np
import pytest
import torch

from inscape.core.edit import Replace, Scope
from inscape.core.rng import generator
from inscape.model.model import Model
from inscape.workbench.ablate import ablate
from inscape.workbench.neuron_ablation import neuron_effects
from tests.model import nets

PROMPTS = ["the river of Paris is", "the sea is"]


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def log_p(model, edits, aim):
    """Mean log-probability of the answers, one prompt after another, so no padding plays a part."""
    found = []
    for prompt, token in zip(PROMPTS, aim.tolist(), strict=True):
        out = model.run(model.tokenize([prompt]), edits=edits, logits=True)
        found.append(float(torch.log_softmax(out.logits[0, -1].float(), -1)[token]))
    return float(np.mean(found))


@pytest.mark.parametrize("to", ["mean", "zero"])
def test_measured_is_what_a_plain_edit_does_and_the_estimate_is_near(model, to):
    tokens, aim = model.tokenize(PROMPTS), torch.tensor([5, 7])
    found = neuron_effects(model, tokens, aim, to=to, count=6, rng=generator(0, "neurons"))
    acts = [model.run(model.tokenize([p]), "mlp_act.*") for p in PROMPTS]
    before = log_p(model, None, aim)
    assert len(found.measured) == len(found.random) == 6
    assert np.abs(found.measured[0]) > 1e-6  # something is there to be measured
    assert (np.diff(np.abs(found.measured)) <= 0).all()
    for layer, neuron, value in zip(found.layers, found.neurons, found.measured, strict=True):
        site = f"mlp_act.{layer}"
        mean = torch.cat([a[site][0, :, neuron] for a in acts]).mean()
        edit = Replace(Scope(site), mean if to == "mean" else torch.zeros(()), (int(neuron),))
        assert log_p(model, edit, aim) - before == pytest.approx(value, abs=1e-5)
    # first order: right in sign and size where the change is small, as it is in a random network
    assert found.estimated == pytest.approx(found.measured, rel=0.3, abs=1e-5)
    # those that were chosen do more than those that were not
    assert np.abs(found.measured).mean() > np.abs(found.random).mean()


def test_the_picture_names_neurons_and_what_random_ones_do(model):
    told = []
    found = ablate(model, PROMPTS[0], what="neurons", count=4, progress=lambda *at: told.append(at))
    assert len(found.grid().rows) == 4
    assert found.grid().rows[0] in found.said
    assert "of 4 random neurons none by more than" in found.said
    assert told[-1] == (8, 8)
