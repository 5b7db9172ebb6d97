"""Features of a power law: frequencies, independence, values, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.worlds.power_law_features import PowerLawFeatures


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.5])
def test_draws_have_the_frequencies_of_the_law(alpha):
    world = PowerLawFeatures(50, alpha, 1.5)
    p = world.frequencies
    assert p.sum() == pytest.approx(1.5)
    np.testing.assert_allclose(p / p[0], np.arange(1, 51) ** -alpha)
    x = world.draw(40_000, rng=np.random.default_rng(0))
    assert x.dtype == np.float32
    off = ((x > 0).mean(axis=0) - p) / np.sqrt(p * (1 - p) / len(x))
    assert np.abs(off).max() < 4
    assert 0.6 < off.std() < 1.4


def test_features_are_independent_and_uniform():
    world = PowerLawFeatures(6, 0.5, 2.0)
    x = world.draw(60_000, rng=np.random.default_rng(1))
    on = x > 0
    together = on.T.astype(float) @ on / len(x)
    apart = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(
        together[apart], np.outer(world.frequencies, world.frequencies)[apart], atol=0.006
    )
    values = np.sort(x[on])
    assert np.abs(values / 2 - np.linspace(0, 1, len(values))).max() < 0.01
    # a sample says nothing of the next
    assert abs(np.corrcoef(on[:-1, 0], on[1:, 0])[0, 1]) < 0.02


def test_what_is_left_out_predicts_the_error_of_giving_nothing():
    world = PowerLawFeatures(40, 1.0)
    kept = np.arange(40) < 5
    x = world.draw(60_000, rng=np.random.default_rng(2))
    lost = (x[:, ~kept].astype(float) ** 2).sum(axis=1).mean()
    assert lost == pytest.approx(4 / 3 * world.left_out(kept), rel=0.03)
    assert world.left_out(np.ones(40, bool)) == 0
    assert world.left_out(np.zeros(40, bool)) == pytest.approx(1)


def test_the_same_stream_gives_the_same_samples():
    world = PowerLawFeatures(20, 1.0)
    a, b, c = (world.draw(30, rng=np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_refusals():
    with pytest.raises(ValueError, match="needs at least one feature, alpha of at least 0"):
        PowerLawFeatures(0, 1.0)
    with pytest.raises(ValueError, match="positive number of active ones, got 5, 1.0 and 0"):
        PowerLawFeatures(5, 1.0, 0)
    with pytest.raises(ValueError, match="most frequent feature would have the probability 1.09"):
        PowerLawFeatures(3, 1.0, 2.0)
