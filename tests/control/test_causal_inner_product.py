"""The causal inner product: duals move their own concept and leave orthogonal ones, which plain
directions do not.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.causal_inner_product import (
    CausalInnerProduct,
    apart,
    concept_direction,
    leave_one_out,
    share_direction,
)
from inscape.core.edit import Add, Scope
from inscape.model.model import Model
from inscape.model.unembed import Readout
from tests.model import nets

WORDS = (
    np.random.default_rng(0).normal(size=(400, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    + 5.0
)
FIRST, OTHER = np.random.default_rng(2).normal(size=(2, 6))


def test_the_dual_moves_its_concept_alone():
    made = CausalInnerProduct.of(WORDS)
    apart = (
        OTHER - made.inner(FIRST, OTHER) / made.inner(FIRST, FIRST) * FIRST
    )  # causally separable from the first
    assert abs(made.cosine(FIRST, OTHER)) > 0.05
    assert abs(made.cosine(FIRST, apart)) < 1e-9
    assert abs(FIRST @ apart) > 0.1  # which is not orthogonality
    dual = made.dual(FIRST)
    assert dual @ FIRST > 0
    assert abs(dual @ apart) < 1e-9
    assert dual @ OTHER == pytest.approx(made.inner(FIRST, OTHER))


def test_it_is_the_inverse_covariance_wherever_the_origin_is():
    made = CausalInnerProduct.of(torch.from_numpy(WORDS))
    slow = np.linalg.inv(np.cov(WORDS.T, bias=True))
    assert np.allclose(made.inner(WORDS[:3], WORDS[:4]), WORDS[:3] @ slow @ WORDS[:4].T)
    assert np.allclose(CausalInnerProduct.of(WORDS - 100).dual(FIRST), made.dual(FIRST))
    white = made.whitened(WORDS)
    assert np.allclose(np.cov(white.T, bias=True), np.eye(6), atol=1e-9)
    assert not np.allclose(np.cov(WORDS.T, bias=True), np.eye(6), atol=0.5)
    assert np.allclose(white[:3] @ white[:3].T, made.inner(WORDS[:3], WORDS[:3]))


def test_logits_of_a_network_follow():
    model = Model(nets.net("llama"), nets.tokenizer())
    head = Readout.of(model).weight.numpy()
    direction = concept_direction(head, [[7, 11], [8, 12]])
    assert np.allclose(direction, (head[7] - head[11] + head[8] - head[12]) / 2)
    dual = torch.from_numpy(CausalInnerProduct.of(head).dual(direction)).float()
    text, edit = "the river of Paris", Add(Scope("final_norm"), dual, 2.0)
    plain, moved = (
        model.run([text], logits=True, edits=e).logits[0, -1].double() for e in (None, edit)
    )
    change = (moved - plain).numpy()
    gap = ((change[7] - change[11]) + (change[8] - change[12])) / 2
    assert gap == pytest.approx(2 * float(dual.double().numpy() @ direction), rel=1e-3)
    assert gap > 0.1


def test_refusals():
    with pytest.raises(ValueError, match="unembedding must be finite"):
        CausalInnerProduct.of(np.ones(3))
    with pytest.raises(ValueError, match="all words have the same vector"):
        CausalInnerProduct.of(np.ones((4, 3)))
    with pytest.raises(ValueError, match="has no dual"):
        CausalInnerProduct.of(np.random.default_rng(0).normal(size=(9, 1)) * [1.0, 0.0]).dual(
            np.array([0.0, 1.0])
        )
    with pytest.raises(ValueError, match=r"pairs must be \(n, 2\)"):
        concept_direction(WORDS, [1, 2])


def test_a_pair_is_projected_on_the_mean_of_the_others():
    x = np.random.default_rng(3).normal(size=(5, 4)) + 1
    for i, found in enumerate(leave_one_out(x)):
        rest = np.delete(x, i, axis=0).mean(axis=0)
        assert found == pytest.approx(x[i] @ rest / np.linalg.norm(rest))
    assert np.allclose(leave_one_out(np.tile(x[0], (3, 1))), np.linalg.norm(x[0]))
    with pytest.raises(ValueError, match="two pairs at least"):
        leave_one_out(x[:1])


def test_concepts_share_a_direction_and_random_pairs_do_not():
    rng = np.random.default_rng(4)
    axis = np.eye(30)[0]
    own = 3 * axis + rng.normal(size=(20, 30))
    loose = rng.normal(size=(20, 30))
    pairs, concept = np.concatenate([own, loose]), np.repeat([0, 1], 20)
    found = share_direction(pairs, concept, rng.normal(size=(500, 30)))
    assert found.tolist() == [True, False]


def test_distance_from_other_concepts():
    assert np.allclose(apart(np.eye(3)), 1)
    assert np.allclose(apart(np.array([[1.0, 0.0], [-2.0, 0.0]])), 0)
    half = apart(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]))
    assert half[1] == pytest.approx(1 - np.sqrt(0.5))
    assert half[0] == pytest.approx(1 - np.sqrt(0.5) / 2)
    with pytest.raises(ValueError, match="with two at least"):
        apart(np.ones((1, 3)))


def test_words_and_directions_that_are_none_are_refused():
    words = np.random.default_rng(0).normal(size=(20, 3))
    for pairs in ([[0, 20]], [[-1, 0]], [[0.5, 1.0]]):
        with pytest.raises(ValueError, match="pairs must be whole numbers from 0 to 19, the words"):
            concept_direction(words, np.array(pairs))
    flat = CausalInnerProduct.of(words * [1.0, 1.0, 0.0])
    with pytest.raises(ValueError, match="no word varies along one of the directions"):
        flat.cosine(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]))
    with pytest.raises(ValueError, match="the direction of concept 1 is zero or NaN"):
        apart(np.array([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(ValueError, match="differences must be finite"):
        leave_one_out(np.array([[1.0, np.nan], [0.0, 1.0]]))
