"""A planted neuron is found among the layers that are asked, and rotated axes do not have it."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.probing.few_neurons import FewNeurons, Layers
from inscape.probing.neuron_features import Question, by_size, with_a_neuron
from inscape.probing.sparse_sweep import sparse_sweep
from inscape.store.store import Store


class Arrays(Store):
    """A store of arrays in memory."""

    def __init__(self, arrays):
        self.arrays = arrays

    @property
    def sites(self):
        return tuple(self.arrays)

    def take(self, site, rows):
        return self.arrays[site][rows]


ROWS, GROUPS = np.arange(20, 180), np.repeat(np.arange(40), 4)
PROBES = FewNeurons((1, 4), folds=3, seed=2)


@pytest.fixture(scope="module")
def stores():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 160)
    arrays = {f"mlp_act.{k}": rng.normal(size=(200, 12)) for k in range(8)}
    blank = Arrays({site: x.copy() for site, x in arrays.items()})
    arrays["mlp_act.1"][ROWS, 5] += 4.0 * y
    arrays["mlp_act.6"][ROWS, 3] += 9.0 * y
    return Arrays(arrays), blank, y


def probed(stores, layers):
    store, blank, y = stores
    question = Question("colour", "red", False, ROWS, y)
    sizes = {"shuffles": 5, "random": 6}
    return PROBES.feature("red", question, GROUPS, layers(store), layers(blank), **sizes)


@pytest.fixture(scope="module")
def feature(stores):
    return probed(stores, Layers.first_quarter)


def test_layers_are_every_stride_th_or_the_first_quarter(stores):
    store = stores[0]
    assert Layers.every(store, 3).sites == ["mlp_act.0", "mlp_act.3", "mlp_act.6"]
    assert Layers.first_quarter(store).sites == ["mlp_act.0", "mlp_act.1"]
    assert Layers.first_quarter(Arrays({"mlp_act.0": np.ones((2, 2))})).sites == ["mlp_act.0"]
    site, rows = next(Layers.every(store).of(ROWS[:3]))
    assert site == "mlp_act.0"
    assert np.array_equal(rows, store.arrays[site][20:23])


def test_the_planted_neuron_is_found_in_the_layers_that_are_asked(stores, feature):
    assert feature.found.best() == ("mlp_act.1", 5)
    assert probed(stores, lambda s: Layers.every(s, 2)).found.best() == ("mlp_act.6", 3)
    assert feature.evidence.value > 0.9 > 0.65 > feature.untrained
    assert feature.dense > 0.9


def test_a_feature_is_that_of_the_sweep_with_the_same_options(stores, feature):
    store, _, y = stores
    slow = sparse_sweep(
        [(s, store.arrays[s][ROWS]) for s in ("mlp_act.0", "mlp_act.1")],
        y,
        GROUPS,
        sizes=(1, 4),
        folds=3,
        shuffles=5,
        random=6,
        seed=2,
    )
    assert np.array_equal(slow.single, feature.found.single)
    assert np.array_equal(slow.sized, feature.found.sized)


def test_one_axis_of_a_rotation_tells_less_than_the_planted_neuron(stores, feature):
    layers = Layers.first_quarter(stores[0])
    (one,) = PROBES.rotated([feature], layers, 0, (1, 4))[1]
    assert one.value < feature.of_size(1).value - 0.05
    (again,) = PROBES.rotated([feature], layers, 0, (1,))[1]
    (other,) = PROBES.rotated([feature], layers, 1, (1,))[1]
    assert again.value == one.value != other.value


def test_a_feature_counts_where_its_neuron_tells_it_and_chance_does_not(stores, feature):
    found = with_a_neuron([feature])
    assert (found.value, found.null.draws) == (1, 5)
    assert with_a_neuron([feature], at_least=1.01).value == 0
    assert with_a_neuron([feature], random=0.3).value == 0
    assert with_a_neuron([feature], shuffled=0.3).value == 0
    assert str(feature).startswith(f"red {feature.evidence.value:.2f} (random ")


def test_accuracy_by_size_is_of_the_best_layer_or_of_the_mean_over_layers(feature):
    table = feature.by_layer()
    best = table[table["site"] == "mlp_act.1"]["balanced accuracy"].tolist()
    shown = by_size([feature])
    assert shown.to_dict("list") == {"series": ["red", "red"], "x": [1, 4], "value": best}
    mean = by_size([feature], averaged=["red"])["value"]
    assert mean.tolist() == pytest.approx([feature.of_size(k).value for k in (1, 4)])
    assert mean[0] < best[0]
