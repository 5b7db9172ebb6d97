"""A store is of one network: equal weights are not enough, and a network that was trained on is
another.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from inscape.core.errors import StoreError
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.outcomes.generations import generations
from inscape.store import manifest as manifests
from inscape.store.harvest import harvest
from inscape.store.moments import moments
from inscape.store.store import Store

from .conftest import llama

SITE = "module:1:out"


def _nets() -> tuple[nn.Sequential, nn.Sequential]:
    torch.manual_seed(0)
    first, last = nn.Linear(5, 6), nn.Linear(6, 3)
    return nn.Sequential(first, nn.ReLU(), last), nn.Sequential(first, nn.Tanh(), last)


def _x(n: int = 12) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 5)).astype("float32")


def _truth(net: nn.Sequential, x: np.ndarray) -> np.ndarray:
    return net[:2](torch.from_numpy(x)).detach().numpy()


def test_equal_weights_and_another_activation_are_two_stores():
    x = _x()
    stores = []
    for net in _nets():
        stores.append(harvest(Model(net), x, SITE))
        np.testing.assert_allclose(stores[-1].matrix(SITE), _truth(net, x), atol=1e-6)
    assert stores[0].path != stores[1].path


def test_a_network_trained_on_is_harvested_as_it_is_now():
    net, x = _nets()[1], _x()
    model = Model(net)
    for _ in range(3):
        np.testing.assert_allclose(harvest(model, x, SITE).matrix(SITE), _truth(net, x), atol=1e-6)
        with torch.no_grad():
            net[0].weight.data += 0.3
    first = moments(model, x, SITE).site(SITE).mean
    np.testing.assert_allclose(first, _truth(net, x).mean(0), atol=1e-6)


def test_a_folder_of_another_network_is_refused(tmp_path):
    relu, tanh = map(Model, _nets())
    harvest(relu, _x(), SITE, to=tmp_path / "s")
    with pytest.raises(StoreError, match="differs in network"):
        harvest(tanh, _x(), SITE, to=tmp_path / "s")
    with pytest.raises(StoreError, match="other network"):
        Store.open(tmp_path / "s").add(tanh, _x(), "module:0:out")
    assert "another network" in Store.open(tmp_path / "s").verify(model=tanh)[0]
    assert Store.open(tmp_path / "s").verify(model=relu) == []
    with pytest.raises(StoreError, match="differ in network"):
        moments(relu, _x(), SITE) + moments(tanh, _x(7), SITE)


def test_a_store_that_keeps_maps_of_its_passes_is_found_again(tmp_path):
    class Keeping(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 4)

        def forward(self, x):
            self.seen = self.layer(x)
            return self.seen

    model = Model(Keeping())
    first = harvest(model, _x(), "module:layer:out")
    assert harvest(model, _x(), "module:layer:out").path == first.path
    harvest(model, _x(), "module:layer:out", to=tmp_path / "s")
    assert len(harvest(model, _x(), "module:layer:out", to=tmp_path / "s")) == 12


def test_a_store_of_an_earlier_version_opens_and_is_not_gone_on_with(tmp_path):
    model = Model(_nets()[0])
    store = harvest(model, _x(), SITE, to=tmp_path / "s")
    vectors = store.matrix(SITE)
    manifest = json.loads((tmp_path / "s" / manifests.NAME).read_text())
    del manifest["recipe"]["network"]
    manifests.write(tmp_path / "s", manifest)
    old = Store.open(tmp_path / "s")
    np.testing.assert_array_equal(old.matrix(SITE), vectors)
    assert len(old.frame()) == 12
    with pytest.raises(StoreError, match="earlier version"):
        harvest(model, _x(), SITE, to=tmp_path / "s")
    with pytest.raises(StoreError, match="earlier version"):
        old.add(model, _x(), "module:0:out")
    assert any("does not say of which network" in said for said in old.verify(model=model))


def _table(**changes) -> Examples:
    frame = pd.DataFrame({"text": ["w1 w2", "w3", "w4 w5"], "y": [1, 2, 3]}, index=["a", "b", "c"])
    for name, value in changes.items():
        if name == "index":
            frame.index = value
        else:
            frame[name] = value
    return Examples(frame, "text", ("y",))


@pytest.mark.parametrize(
    "changes",
    [
        {"index": ["d", "e", "f"]},
        {"y": ["1", "2", "3"]},
        {"y": [1.0, 2.0, 3.0]},
        {"y": pd.Series([1, 2, 3], index=["a", "b", "c"], dtype=object)},
    ],
)
def test_ids_and_types_of_labels_belong_to_the_key(model, changes):
    first = harvest(model, _table(), "embed")
    other = _table(**changes)
    second = harvest(model, other, "embed")
    assert first.path != second.path
    assert list(second.frame()["id"]) == other.ids()
    assert harvest(model, _table(), "embed").path == first.path


def test_generations_are_of_one_network():
    a, b = llama(), llama()
    b.net.model.rotary_emb.inv_freq.mul_(3.0)
    assert a.weights_hash == b.weights_hash
    found = [generations(m, ["w1 w2 w3"], 3)[0][0].logprobs for m in (a, b)]
    assert not np.allclose(*found)
