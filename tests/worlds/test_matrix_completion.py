"""Matrix completion: ranks and spaces of tasks, errors by hand, and what transfer leaves."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.learn.linear_chain import chain_descent, chain_product, linear_chain
from inscape.worlds.matrix_completion import Completion, LowRank, transferred


def spaces(seed=0, networks=3, n=12, rank=2):
    return LowRank.drawn(networks, n, rank, rng=np.random.default_rng(seed))


def test_tasks_are_of_low_rank_with_a_largest_value_of_one():
    task = spaces().task(0.4, rng=np.random.default_rng(1))
    values = np.linalg.svd(task.target, compute_uv=False)
    np.testing.assert_allclose(values[:, 0], 1)
    np.testing.assert_allclose(values[:, 2:], 0, atol=1e-12)
    assert task.seen.sum(axis=(1, 2)).tolist() == [58] * 3
    assert (task.seen[0] != task.seen[1]).any()


def test_related_tasks_share_their_spaces_alone():
    s, rng = spaces(), np.random.default_rng(1)
    one, two = s.task(0.4, rng=rng), s.task(0.4, rng=rng)
    other = spaces(seed=5).task(0.4, rng=rng)
    inside = s.left @ (s.left.swapaxes(1, 2) @ two.target)
    np.testing.assert_allclose(inside, two.target, atol=1e-12)
    assert np.abs(one.target - two.target).max() > 0.05
    assert np.abs(s.left @ (s.left.swapaxes(1, 2) @ other.target) - other.target).max() > 0.05


def test_gradient_and_errors_by_hand():
    target = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    task = Completion(target, np.array([[[True, False], [False, True]]]))
    found = np.array([[[0.0, 2.0], [1.0, 5.0]]])
    assert task.gradient(found).tolist() == [[[-1.0, 0.0], [0.0, 1.0]]]
    assert task.error(found).tolist() == [4 / 13]
    assert task.error(found, seen=True).tolist() == [2 / 17]
    assert task.error(np.zeros_like(target)).tolist() == [1.0]
    assert task.error(target).tolist() == [0.0]


def test_small_deep_networks_complete_and_large_ones_do_not():
    task = spaces(n=16).task(0.5, rng=np.random.default_rng(1))
    ends = []
    for scale in (1e-3, 1.0):
        layers = linear_chain(3, (3, 16, 16), scale, rng=np.random.default_rng(2))
        done, _ = chain_descent(layers, task.gradient, 4000, 0.1)
        assert (task.error(chain_product(done), seen=True) < 0.05).all()
        ends.append(task.error(chain_product(done)).mean())
    assert ends[0] < 0.3
    assert ends[1] > 2 * ends[0]


def test_transfer_goes_on_from_each_duration():
    s, rng = spaces(), np.random.default_rng(1)
    first, second = s.task(0.4, rng=rng), s.task(0.4, rng=rng)
    layers = linear_chain(2, (3, 12, 12), 0.01, rng=rng)
    found = transferred(layers, (first, second), [0, 30, 80], 50, 0.1)
    slow, _ = chain_descent(layers, first.gradient, 80, 0.1)
    slow, _ = chain_descent(slow, second.gradient, 50, 0.1)
    np.testing.assert_allclose(found[80], chain_product(slow), atol=1e-12)
    scratch, _ = chain_descent(layers, second.gradient, 50, 0.1)
    np.testing.assert_array_equal(found[0], chain_product(scratch))
    assert np.abs(found[80] - found[0]).max() > 1e-3


def test_refusals():
    with pytest.raises(ValueError, match="rank must be between 1 and 12, got 13"):
        spaces(rank=13)
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="must leave entries unseen, got"):
            spaces().task(share, rng=np.random.default_rng(0))
    task = spaces().task(0.4, rng=np.random.default_rng(0))
    for durations in ([], [5, 5], [-1, 3]):
        with pytest.raises(ValueError, match="durations must rise from 0 or more, got"):
            transferred([np.zeros((3, 12, 12))], (task, task), durations, 1, 0.1)
