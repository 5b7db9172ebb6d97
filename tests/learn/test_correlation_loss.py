"""Alignment of paired batches: canonical correlations against closed forms, transport against exact
costs.
"""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from inscape.compare.fitted_canonical import Span, fitted_similarities
from inscape.learn.correlation_loss import correlation_loss, transport_loss


def drawn(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def test_without_ridge_it_is_the_mean_canonical_correlation():
    x, noise = drawn(80, 4), drawn(80, 4, 1)
    y = x @ drawn(4, 4, 2) + noise
    truth = fitted_similarities(Span.of(x.numpy()), Span.of(y.numpy())).cca
    assert 0.3 < truth < 0.99
    assert -correlation_loss(x, y, 0.0).item() == pytest.approx(truth, abs=1e-9)
    assert -correlation_loss(x, x @ drawn(4, 4, 2), 0.0).item() == pytest.approx(1.0)
    # the ridge can only lower it
    assert -correlation_loss(x, y, 0.1).item() < truth


def test_transport_is_zero_for_one_cloud_and_near_the_exact_cost_for_far_ones():
    x = drawn(30, 3)
    assert transport_loss(
        x, x[torch.randperm(30, generator=torch.Generator().manual_seed(0))]
    ).item() == (pytest.approx(0, abs=1e-6))
    y = drawn(30, 3, 1) + 6
    costs = ((x[:, None] - y) ** 2).sum(-1).numpy()
    exact = costs[linear_sum_assignment(costs)].mean()
    assert transport_loss(x, y, 0.005, 500).item() == pytest.approx(exact, rel=0.03)
    # the pairs do not matter, the places do
    assert transport_loss(x, y).item() == pytest.approx(
        transport_loss(x, y.flip(0)).item(), rel=1e-6
    )


def test_both_have_gradients_that_descend():
    x, y = drawn(40, 3), drawn(40, 3, 1) + 1
    for loss in (correlation_loss, transport_loss):
        moved = x.clone().requires_grad_()
        before = loss(moved, y)
        before.backward()
        assert moved.grad.norm() > 0
        assert loss(x - 1e-2 * moved.grad / moved.grad.norm(), y) < before


def test_what_cannot_be_aligned_is_refused():
    x = drawn(5, 3)
    with pytest.raises(ValueError, match="needs the same inputs"):
        correlation_loss(x, x[:4])
    with pytest.raises(ValueError, match="one side does not vary"):
        correlation_loss(x, torch.ones(5, 3, dtype=torch.float64))
    with pytest.raises(ValueError, match="give the same width"):
        transport_loss(x, x[:, :2])
