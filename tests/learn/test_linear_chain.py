"""Deep linear networks: the product's gradient by autograd, and what descent ends at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.learn.linear_chain import chain_descent, chain_product, linear_chain


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_step_is_that_of_autograd(depth):
    rng = np.random.default_rng(depth)
    layers = linear_chain(depth, (3, 4, 4), 0.5, rng=rng)
    target = rng.normal(size=(3, 4, 4))
    stepped, _ = chain_descent(layers, lambda p: p - target, 1, 0.1)
    leaves = [torch.tensor(w, requires_grad=True) for w in layers]
    p = leaves[0]
    for w in leaves[1:]:
        p = w @ p
    ((p - torch.tensor(target)) ** 2).sum().div(2).backward()
    for new, old in zip(stepped, leaves, strict=True):
        np.testing.assert_allclose(new, (old - 0.1 * old.grad).detach().numpy(), atol=1e-12)


def test_descent_leaves_the_layers_alone_and_reaches_the_target():
    rng = np.random.default_rng(0)
    layers = linear_chain(2, (3, 3), 0.3, rng=rng)
    copies = [w.copy() for w in layers]
    target = np.diag([1.0, 0.5, 0.25])
    done, kept = chain_descent(layers, lambda p: p - target, 3000, 0.05, every=1000)
    assert all((w == c).all() for w, c in zip(layers, copies, strict=True))
    np.testing.assert_allclose(chain_product(done), target, atol=1e-3)
    np.testing.assert_allclose(kept[0], chain_product(layers))
    assert len(kept) == 3
    assert np.abs(kept[1] - target).max() > np.abs(chain_product(done) - target).max()
    nothing, none = chain_descent(layers, lambda p: p - target, 0, 0.05)
    assert none == []
    assert all((w == c).all() for w, c in zip(nothing, copies, strict=True))


@pytest.mark.parametrize("depth", [1, 3])
def test_the_scale_is_that_of_the_product(depth):
    layers = linear_chain(depth, (400, 8, 8), 0.01, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(400, 8, 1))
    out = chain_product(layers) @ x
    assert np.sqrt((out**2).mean() / (x**2).mean()) == pytest.approx(0.01, rel=0.1)


def test_networks_in_front_are_trained_apart():
    rng = np.random.default_rng(0)
    layers, target = linear_chain(3, (2, 3, 3), 0.4, rng=rng), rng.normal(size=(2, 3, 3))
    both, _ = chain_descent(layers, lambda p: p - target, 50, 0.05)
    alone, _ = chain_descent([w[1] for w in layers], lambda p: p - target[1], 50, 0.05)
    np.testing.assert_allclose(chain_product(both)[1], chain_product(alone), atol=1e-12)


def test_refusals():
    rng = np.random.default_rng(0)
    for depth, shape, scale in (
        (0, (3, 3), 1.0),
        (1, (3, 4), 1.0),
        (1, (3,), 1.0),
        (1, (3, 3), 0.0),
    ):
        with pytest.raises(ValueError, match="at least one layer, square matrices and a positive"):
            linear_chain(depth, shape, scale, rng=rng)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match="no longer finite; lower the learning rate"),
    ):
        chain_descent(linear_chain(3, (2, 2), 1.0, rng=rng), lambda p: p - 9.0, 500, 10.0)
