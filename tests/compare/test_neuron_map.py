"""Best neurons: the measure by hand, without each group, and what moves it."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.compare.linear_cka import linear_cka
from inscape.compare.neuron_map import neuron_map
from inscape.compare.neuron_matching import semi_matching


def slow(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, neuron by neuron, with NumPy's own correlation."""
    best = [max(abs(np.corrcoef(a, b)[0, 1]) for b in y.T) for a in x.T]
    return float(np.mean(best))


def sides(seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(60, 4))
    made = [z @ rng.normal(size=(4, d)) + 0.5 * rng.normal(size=(60, d)) + 3 for d in (5, 3, 6)]
    return made[:1], made[1:]


def test_each_cell_and_each_value_without_a_group_is_the_definition():
    first, second = sides()
    groups = np.random.default_rng(1).permutation(np.repeat(["a", "b", "c", "d"], [5, 10, 20, 25]))
    found = neuron_map(first, second, groups=groups)
    names = list(dict.fromkeys(groups))  # in the order in which they come
    assert found.without.shape == (1, 2, 4)
    assert found.sizes.tolist() == [(groups == name).sum() for name in names]
    for j, y in enumerate(second):
        assert found.values[0, j] == pytest.approx(slow(first[0], y), abs=1e-12)
        assert found.values[0, j] == pytest.approx(semi_matching(first[0], y).mean(), abs=1e-12)
        for g, name in enumerate(names):
            rest = groups != name
            expected = slow(first[0][rest], y[rest])
            assert found.without[0, j, g] == pytest.approx(expected, abs=1e-10)
    low, high = found.interval(0, 0)
    assert low < found.values[0, 0] < high


def test_a_network_beside_itself_and_its_rotation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 20))
    turned = x @ np.linalg.qr(rng.normal(size=(20, 20)))[0]
    values = neuron_map([x], [x, -x[:, ::-1], turned]).values[0]
    assert values[:2] == pytest.approx(1)
    assert values[2] < 0.75
    assert linear_cka(x, turned) == pytest.approx(1)
    assert neuron_map([x]).values == pytest.approx(1)


def test_it_is_not_symmetric_and_a_silent_neuron_has_no_partner():
    x = np.random.default_rng(0).normal(size=(50, 4))
    assert neuron_map([x[:, :2]], [x]).values.item() == pytest.approx(1)
    assert neuron_map([x], [x[:, :2]]).values.item() < 0.8
    still = np.column_stack([x, np.full(50, 7.3)])
    assert neuron_map([still], [x]).values.item() == pytest.approx(0.8)


def test_what_cannot_be_compared_is_refused():
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="there are no sites"):
        neuron_map([])
    with pytest.raises(ValueError, match="there are no sites"):
        neuron_map([x], [])
    with pytest.raises(ValueError, match=r"must hold the same items, got \[19, 20\]"):
        neuron_map([x], [x[1:]])
