"""Probes that pool: attention over positions, one weight a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from inscape.read.attention_pool import AttentionProbe
from inscape.read.logistic import LogisticProbe
from inscape.read.scalar_mix import ScalarMixProbe


def hidden(n=200, p=4, d=5, seed=0):
    """The class stands at one position, which differs from row to row and is marked along the last
    axis.
    """
    rng = np.random.default_rng(seed)
    x, y, at = rng.normal(size=(n, p, d)), rng.integers(2, size=n), rng.integers(p, size=n)
    x[:, :, 0] *= 2
    x[np.arange(n), at, 0] = 2 * y - 1 + 0.3 * rng.normal(size=n)
    x[np.arange(n), at, -1] = 8
    return x, y, at


def layers(n=300, where=2, k=4, d=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, k, d)) * np.array([1.0, 50.0, 1.0, 0.1])[:k, None]
    return x, (x[:, where, 0] + 0.3 * rng.normal(size=n) * x[:, where, 0].std() > 0).astype(int)


def test_attention_finds_the_position_and_the_mean_does_not():
    x, y, _ = hidden()
    fresh, truth, there = hidden(seed=1)
    probe = AttentionProbe((1.0,)).fit(x, y)
    assert LogisticProbe((1.0,)).fit(x.mean(axis=1), y).score(fresh.mean(axis=1), truth) < 0.75
    assert probe.score(fresh, truth) > 0.9
    weights = probe.weights(fresh)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights.argmax(axis=1) == there).mean() > 0.95
    noise = [
        AttentionProbe((0.1,), max_iter=12).fit(x, np.random.default_rng(i).permutation(y))
        for i in range(3)
    ]
    assert abs(np.mean([probe.score(fresh, truth) for probe in noise]) - 0.5) < 0.1


def test_the_mix_settles_on_the_layer_that_knows_whatever_its_size():
    for where in (1, 3):
        x, y = layers(where=where)
        probe = ScalarMixProbe((1.0,)).fit(x, y)
        assert probe.mix_.argmax() == where
        assert abs(probe.centre_ - where) < 0.6
        assert probe.score(*layers(where=where, seed=1)) > 0.85
    uniform = ScalarMixProbe((1.0,), decay=1e4).fit(x, y)
    assert np.allclose(uniform.mix_, 0.25, atol=1e-3)


@pytest.mark.parametrize("probe", [AttentionProbe((0.5,)), ScalarMixProbe((0.5,))])
def test_one_vector_each_is_logistic_regression(probe):
    x, y = layers(where=0)
    flat = x[:, 0]
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=2000)
    scale = np.sqrt(((flat - flat.mean(axis=0)) ** 2).mean())
    # a softmax of two with both penalised is one coefficient at twice the penalty's strength
    theirs.set_params(C=1.0).fit((flat - flat.mean(axis=0)) / scale, y)
    found = probe.fit(flat, y).decision_function(flat)
    assert np.allclose(
        found, theirs.decision_function((flat - flat.mean(axis=0)) / scale), atol=1e-2
    )


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 100))
def test_what_is_beyond_a_rows_length_and_the_order_of_positions_do_not_matter(seed):
    x, y, _ = hidden(60, 4, 3, seed)
    lengths = np.full(60, 3)
    probe = AttentionProbe((1.0,), max_iter=8).fit(x, y, lengths=lengths)
    junk = x.copy()
    junk[:, 3] = 1e6
    assert np.allclose(probe.predict_proba(x, lengths), probe.predict_proba(junk, lengths))
    turned = x[:, [2, 0, 1, 3]]
    assert np.allclose(probe.predict_proba(x, lengths), probe.predict_proba(turned, lengths))


def test_kinds_groups_and_refusals():
    x, y, _ = hidden(60)
    probe = AttentionProbe(max_iter=10).fit(
        torch.tensor(x), torch.tensor(y), groups=np.arange(60) % 5
    )
    assert isinstance(probe.predict(torch.tensor(x)), torch.Tensor)
    assert probe.C_ in probe.Cs
    assert ScalarMixProbe(max_iter=10).fit(x, np.arange(60) % 3).decision_function(x).shape == (
        60,
        3,
    )
    with pytest.raises(ValueError, match="AttentionProbe: y holds one class"):
        AttentionProbe().fit(x, np.zeros(60, dtype=int))
    with pytest.raises(ValueError, match="Cs must be positive"):
        AttentionProbe((0.0,)).fit(x, y)
    with pytest.raises(ValueError, match="lengths must be 60 numbers from 1 to 4"):
        AttentionProbe().fit(x, y, lengths=np.full(60, 7))
    with pytest.raises(ValueError, match="60 rows and 59 labels"):
        AttentionProbe().fit(x, y[:-1])
