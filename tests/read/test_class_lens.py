"""The class-embedding lens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model import nets

from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.class_lens import attention_gradient, identifiability, projected, score_gradient


def test_identifiability_of_known_ranks():
    scores = np.array([[3.0, 1.0, 2.0, 0.0]] * 4)
    assert identifiability(scores, np.arange(4)).tolist() == [
        1.0,
        pytest.approx(1 / 3),
        pytest.approx(2 / 3),
        0.0,
    ]
    assert identifiability(np.zeros((2, 5)), np.array([0, 4])).tolist() == [
        0.5,
        0.5,
    ]  # ties are chance
    assert identifiability(np.zeros((2, 3, 5)), np.array([[1], [2]])).shape == (2, 3)


def test_a_random_class_matrix_is_at_chance_and_the_right_one_is_not():
    rng = np.random.default_rng(0)
    weight, y = rng.normal(size=(10, 40)), rng.integers(0, 10, 4000)
    x = weight[y] + 0.5 * rng.normal(size=(4000, 40))
    assert identifiability(x @ weight.T, y).mean() > 0.99
    assert abs(identifiability(x @ rng.normal(size=(40, 10)), y).mean() - 0.5) < 0.05


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
def test_only_the_order_of_scores_counts(seed, scale, shift):
    rng = np.random.default_rng(seed)
    scores, y = rng.normal(size=(6, 5)), rng.integers(0, 5, 6)
    assert np.allclose(identifiability(scale * scores + shift, y), identifiability(scores, y))
    assert np.allclose(identifiability(-scores, y), 1 - identifiability(scores, y))


def test_the_closed_gradient_is_autograds():
    """The attention weights themselves as variables: score right after the first block's
    attention.
    """
    model = Model(nets.net("vit"))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = model.run(images, ["resid_pre.1", "pattern.1", "v.1", "resid_mid.1"])
    output = model.net.get_submodule("vit.layers.1.attention.o_proj")
    readout, classes = Readout.of(model), torch.tensor([2, 5])
    pattern = found["pattern.1"].clone().requires_grad_(True)  # n × heads × queries × tokens
    v = found["v.1"].unflatten(-1, (nets.HEADS, -1)).transpose(1, 2)
    mid = found["resid_pre.1"] + output((pattern @ v).transpose(1, 2).flatten(-2))
    assert torch.allclose(mid, found["resid_mid.1"], atol=1e-5)
    score = readout.scores_at(readout.normed(mid[:, 0]), classes).sum()
    theirs = torch.autograd.grad(score, pattern)[0]
    gradient = score_gradient(readout, found["resid_mid.1"][:, 0], classes)
    ours = attention_gradient(gradient, found["v.1"], output.weight.detach(), nets.HEADS)
    assert torch.allclose(ours, theirs[:, :, 0], atol=1e-6)
    assert theirs[:, :, 0].abs().max() > 1e-4
    assert (
        theirs[:, :, 1:].abs().max() < 1e-9
    )  # other queries do not reach the class token's score here


def test_updates_on_the_class_matrix_are_what_they_add():
    readout = Readout(torch.randn(4, 6), bias=torch.ones(4))
    h, update = torch.randn(1, 6), torch.randn(1, 6)
    assert torch.allclose(readout(h + update) - readout(h), projected(readout, update), atol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="with two or more, got shape"):
        identifiability(np.zeros((3, 1)), np.zeros(3, dtype=int))
    with pytest.raises(ValueError, match="6 values cannot be 4 heads"):
        attention_gradient(torch.zeros(1, 5), torch.zeros(1, 3, 6), torch.zeros(5, 6), 4)


def test_a_class_without_a_score_has_no_rank():
    scores = np.array([[3.0, 1.0, 2.0]])
    for wrong in (np.array([3]), np.array([-1]), np.array([0.5])):
        with pytest.raises(ValueError, match="classes must be whole numbers from 0 to 2"):
            identifiability(scores, wrong)
    with pytest.raises(ValueError, match="scores hold NaN, which has no rank"):
        identifiability(np.array([[np.nan, 1.0, 2.0]]), np.array([0]))
