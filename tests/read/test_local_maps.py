"""Local maps of prompts: decodes, sketches and steering on a toy network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.model import nets

from inscape.model.model import Model
from inscape.read.detached_jacobian import local_map
from inscape.read.local_maps import (
    Mapped,
    change_by_patches,
    depths,
    in_double,
    mapped,
    named,
    random_directions,
    sketched_residual,
    steered,
)


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def prompt(model, text="the river rises in the sea"):
    return model.tokenize([text])[0]


def test_decodes_are_tokens_that_the_vectors_favour(model):
    tokens = prompt(model)
    found = mapped(model, tokens, top=4, vectors=2)
    here = local_map(model, tokens)
    assert len(found.said_each) == len(tokens)
    for token, said in ((None, found.said), *enumerate(found.said_each)):
        u = here.svd(token)[0][:, 0].float()
        u = u if float(u @ here.output) > 0 else -u  # of itself a singular vector has no sign
        assert said[0][0] == int((model.net.lm_head.weight.detach() @ u).argmax())
    own = found.said_each[-1][1][3]
    assert found.each_names(own, 2)[-1] == 1
    assert found.each_names(own, 0).tolist() == [0.0] * len(tokens)
    assert [len(x) for x in found.said] == [len(x) for x in found.read] == [4, 4]
    assert found.names(found.said[1][2], 2)
    assert not found.names(found.said[1][2], 0)
    assert found.predicted == int(model.run([tokens], logits=True).logits[0, -1].argmax())
    assert found.singular[0] == 1.0
    assert 1 <= found.last_rank <= nets.D


def test_names_of_prompts_are_counted_by_hand():
    def one(predicted, whole, tokens):
        said = [[t] for t in whole]
        each = [[[t]] for t in tokens]
        return Mapped(0.0, predicted, said, each, [], 1.0, 1.0, np.ones(1))

    found = [one(1, [1, 2], [1, 3]), one(2, [9], [9, 2]), one(3, [3, 1], [9, 9])]
    got = named(found, np.array([0, 0, 1]), 2)
    assert got.own.tolist() == [1, 0, 1]
    assert got.each.tolist() == [0.5, 0.5, 0]
    assert got.last.tolist() == [0, 1, 0]
    assert got.other.tolist() == [0.5, 0, 0.5]
    assert got.other_each.tolist() == [0.25, 0, 0]
    assert (got.near, got.far) == (0.5, 0.25)
    assert named(found, np.array([0, 0, 1]), 1).other.tolist() == [0, 0, 0]
    assert np.isnan(named(found[:1], np.array([0]), 1).near)


def test_a_sketch_in_double_is_exact_and_the_ordinary_one_is_not(model):
    u = random_directions(5, nets.D, rng=np.random.default_rng(0))
    assert torch.allclose(u @ u.T, torch.eye(5, dtype=torch.float64), atol=1e-12)
    double = in_double(model)
    assert double.dtype == torch.float64
    assert model.dtype == torch.float32
    assert sketched_residual(double, prompt(model), u) < 1e-12
    assert sketched_residual(model, prompt(model), u, detach=False) > 0.2


def test_patches_change_nothing(model):
    moved, logits = change_by_patches(model, prompt(model))
    assert moved < 1e-5
    assert logits.shape == (nets.VOCABULARY,)


def test_steering_is_beside_random_vectors_of_the_same_length(model):
    here = local_map(model, prompt(model), "resid_post.1")
    target = prompt(model, "Paris is the capital of it")
    rise, random = steered(model, 1, here, 7, target, draws=4, rng=np.random.default_rng(0))
    assert random.shape == (4,)
    assert np.isfinite([rise, *random]).all()
    assert abs(rise) > 1e-4


def test_depths_end_at_the_last_block():
    assert list(depths(30, 5)) == [5, 11, 17, 23, 29]
    assert list(depths(2, 5)) == [0, 1] or depths(2, 5)[-1] == 1
