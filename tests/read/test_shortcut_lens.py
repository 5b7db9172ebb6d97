"""Lenses of a small network: what each is, and how they read."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from tests.model import nets

from inscape.core.rng import generator
from inscape.data.load import load
from inscape.model.model import Model
from inscape.model.unembed import Readout
from inscape.read.shortcut_fits import stream
from inscape.read.shortcut_lens import (
    IDENTITY,
    LINEAR,
    LOW,
    ORIGIN,
    SHIFT,
    SHUFFLED,
    Fitting,
    shortcut_lenses,
)


class Quiet:
    """Stands for a run."""

    def rng(self, *names: str) -> np.random.Generator:
        return generator(0, *names)

    def progress(self, description, total=None, unit="steps"):
        return nullcontext(SimpleNamespace(advance=lambda n=1: None))

    def log(self, message, *values):
        return None


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


@pytest.fixture(scope="module")
def lenses(model):
    words = [
        "the river is a sea",
        "Paris is a mountain",
        "it is the river",
        "a sea is the mountain",
    ]
    rows = [f"{a} {b} {c}" for a in words for b in words for c in words]
    texts = load(pd.DataFrame({"text": rows, "group": np.arange(64) // 8}), group="group")
    train, test = texts.take(np.arange(48)), texts.take(np.arange(48, 64))
    how = Fitting(tokens=10_000, rows=60, positions=6, rank=2)
    return shortcut_lenses(Quiet(), model, train, test, stream(model), how, name="model")


def test_every_lens_has_a_map_for_every_layer_but_the_last(model, lenses):
    assert set(lenses.maps) == {LINEAR, IDENTITY, SHIFT, LOW, SHUFFLED, ORIGIN}
    assert lenses.sites == stream(model)[:-1]
    assert all(list(of) == lenses.sites for of in lenses.maps.values())
    site = lenses.sites[-1]
    assert np.linalg.matrix_rank(lenses.maps[LOW][site].weight, tol=1e-6) == 2
    assert not lenses.maps[ORIGIN][site].bias.any()
    assert np.array_equal(lenses.maps[IDENTITY][site].weight, np.eye(32))


def test_the_linear_map_explains_most_and_shuffled_tokens_nothing(lenses):
    r2 = lenses.explained().pivot(index="site", columns="lens", values="R²").loc[lenses.sites[-1]]
    assert r2[LINEAR] > 0.8
    assert r2[LINEAR] > max(r2[IDENTITY], r2[SHIFT], r2[LOW])
    assert r2[SHUFFLED] < 0.2
    assert set(lenses.explained((SHIFT,))["lens"]) == {SHIFT}


def test_readers_read_the_networks_own_answer_through_the_identity_at_the_end(model, lenses):
    readout = Readout.of(model)
    own, readers = lenses.readers(readout, 3)
    with torch.no_grad():
        assert own.tolist() == readout(lenses.last).argmax(-1).tolist()
    reading = readers[LINEAR](lenses.held.at)
    assert reading.tokens.shape == (len(lenses.sites), len(own), 3)
    with torch.no_grad():
        mapped = lenses.maps[LINEAR][lenses.sites[0]](lenses.held.at[lenses.sites[0]])
        first = readout(mapped).argmax(-1)
    assert reading.tokens[0, :, 0].tolist() == first.tolist()
