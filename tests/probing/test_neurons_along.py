"""Neurons along a probe's direction: a planted one comes first, and cosines are those of the
weights.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.errors import ModelError
from inscape.model.model import Model
from inscape.probing.neurons_along import neurons_along
from inscape.read.gated_weights import gated_weights
from inscape.read.neurons import weight_cosines
from inscape.read.ridge import RidgeProbe
from inscape.store.harvest import harvest
from tests.model import nets
from tests.store.conftest import llama, sentences


@pytest.fixture(scope="module")
def harvested(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        model, examples = llama(), sentences(40)
        store = harvest(model, examples, "resid_post.0, mlp_act.*", at="last")
        yield model, store, len(store.matrix("resid_post.0"))


def test_cosines_are_those_of_the_weights_and_fall_from_the_first_row_on(harvested):
    model, store, n = harvested
    rng = np.random.default_rng(0)
    x = store.matrix("resid_post.0").astype(np.float64)
    y = x @ rng.normal(size=(x.shape[1], 2))
    orders = np.array([rng.permutation(n) for _ in range(4)])
    found = neurons_along(store, model, "resid_post.0", y, orders, ("a", "b"))
    layers = dict(gated_weights(model))
    assert len(found) == len(layers) * 2 * 2 * 3
    assert found["cosine"].abs().is_monotonic_decreasing
    labels = np.concatenate([y, *(y[o] for o in orders)], axis=1)
    direction = RidgeProbe().fit(store.matrix("resid_post.0"), labels).direction_
    for row in found.head(5).itertuples():
        w = layers[row.layer].read if row.weights == "input" else layers[row.layer].gate
        cosines = weight_cosines(w, direction)
        own = cosines[:, ["a", "b"].index(row.target)]
        assert own[row.neuron] == pytest.approx(row.cosine)
        act = store.matrix(f"mlp_act.{row.layer}")[:, row.neuron]
        r = np.corrcoef(act, y[:, ["a", "b"].index(row.target)])[0, 1]
        assert r == pytest.approx(row.r, abs=1e-5)


def test_networks_without_gates_are_refused(harvested):
    _, store, n = harvested
    plain = Model(nets.net("gpt2"), nets.tokenizer())
    y = np.random.default_rng(0).normal(size=(n, 1))
    with pytest.raises(ModelError):
        neurons_along(store, plain, "resid_post.0", y, np.arange(n)[None], ("a",))
