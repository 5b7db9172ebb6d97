"""Neurons of languages: edits, random ones of the same layers, where they lie, what they do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from inscape.core.rng import generator
from inscape.data.load import load
from inscape.model.model import Model
from inscape.outcomes.language_neurons import (
    loss_rises,
    matched,
    neuron_sets,
    own_rises,
    placed,
    still_active,
    zeroed,
)
from inscape.outcomes.lens_words import Passage, lens_classes, lens_words
from inscape.outcomes.text_sums import Gates, open_gates, text_means
from inscape.outcomes.token_losses import token_losses
from inscape.read.lape import Lape
from inscape.read.mexa import weighted_mean
from tests.model import nets

LAYERS = np.repeat([0, 1], 5)
LANGUAGES = ("Python", "C")


def neurons(*chosen: int) -> np.ndarray:
    return np.isin(np.arange(10), chosen)


@pytest.fixture(scope="module")
def found():
    rates = np.tile([0.1, 0.2], (10, 1)).T.copy()
    rates[0, [0, 6]] = 0.9
    belongs = np.stack([neurons(0, 6), neurons(6, 7)])
    return Lape(rates, np.zeros(10), 0.0, 0.0, belongs.any(axis=0), belongs, np.zeros(3, dtype=int))


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer())


def test_neurons_are_numbered_layer_after_layer():
    edits = zeroed(neurons(1, 5, 9), LAYERS)
    assert [(e.scope.sites, e.columns) for e in edits] == [
        ("mlp_act.0", (1,)),
        ("mlp_act.1", (0, 4)),
    ]


def test_random_neurons_are_as_many_in_each_layer_and_never_those_named():
    own = neurons(0, 5, 6)
    for seed in range(20):
        drawn = matched(own, own | neurons(9), LAYERS, rng=np.random.default_rng(seed))
        assert [int(drawn[k == LAYERS].sum()) for k in (0, 1)] == [1, 2]
        assert not (drawn & (own | neurons(9))).any()


def test_where_neurons_lie_and_whether_they_still_fire(found):
    counts, profile = placed(found, LAYERS, LANGUAGES)
    assert counts["neurons"].tolist() == [2, 2]
    assert counts["of it alone"].tolist() == [1, 1]
    assert counts["median layer"].tolist() == [0.5, 1.0]
    assert profile.loc[profile["series"] == "C", "value"].tolist() == [0.0, 40.0]
    gates = Gates(np.array([[4.0] * 5 + [1.0] * 5, [2.0] * 10]), np.array([10, 10]), LAYERS)
    kept = still_active(found, gates, np.array([0, 1]), LANGUAGES)
    assert kept["still most active there"].tolist() == [0.5, 1.0]
    assert kept["neurons"].tolist() == [2, 1]


def test_every_language_has_its_own_set_and_its_draws(found):
    sets = neuron_sets(
        found, LAYERS, LANGUAGES, each=1, draws=2, rng=lambda *names: generator(0, *names)
    )
    assert list(sets) == [(name, k) for name in LANGUAGES for k in (-1, 0, 1)]


def test_own_rises_against_twice_the_others():
    grid = np.array([[3.0, 1.0, 1.0], [5.0, 1.0, 1.0]])
    flat = np.ones((2, 3))
    rises = own_rises(
        {("a", -1): grid, ("a", 0): flat, ("a", 1): 2 * flat}, "abc", np.array([0, 1])
    )
    assert [e.value for e in rises.ratios] == [4.0]
    assert [e.value for e in rises.gains] == [2.0]
    assert rises.random_ratios == [1.0]
    assert rises.random.value == 1.0
    assert rises.random_rise == 1.5
    assert rises.ranked == "a 4.0"
    assert rises.table()["random neurons"].tolist()[0] == 1.0
    assert rises.table()["random neurons"].isna().tolist() == [False, True]
    assert own_rises({}, "abc", np.array([0, 1])).random is None


def test_the_loss_rises_by_what_the_edit_costs(model):
    frame = pd.DataFrame(
        {
            "text": ["the river is", "Paris is the sea", "a mountain", "it is a river"],
            "program": [4, 4, 2, 2],
            "language": ["C", "Python", "Python", "C"],
        }
    )
    texts = load(frame, input="text")
    width = open_gates(model, ["the river"]).counts.shape[1]
    layers = open_gates(model, ["the river"]).layers
    edits = zeroed(np.arange(width) % 2 == 0, layers)
    calls: list[int] = []
    grids = loss_rises(
        model, texts, {"half": edits, "none": []}, LANGUAGES, lambda: calls.append(1)
    )
    assert len(calls) == 3
    assert np.abs(grids["none"]).max() < 1e-6
    before, after = (token_losses(model, ["the river is"], edits=e) for e in ([], edits))
    rise = (after.nats - before.nats) / before.tokens
    assert grids["half"][0, 1] == pytest.approx(float(rise[0]), abs=1e-5)


def test_open_gates_and_mean_states_are_those_of_each_text_alone(model):
    texts = ["the river is a sea", "Paris is", "it is a mountain"]
    gates, means = open_gates(model, texts), text_means(model, texts)
    assert gates.tokens.tolist() == [len(t) for t in model.tokenize(texts)]
    for i, text in enumerate(texts):
        own = model.run(text, ["mlp_pre.1", "resid_post.1"])
        counted = (own["mlp_pre.1"][0] > 0).sum(dim=0).numpy()
        np.testing.assert_array_equal(gates.counts[i, gates.layers == 1], counted)
        h = own["resid_post.1"]
        mean = weighted_mean(h, np.array([h.shape[1]]))[0].numpy()
        np.testing.assert_allclose(means[1, i], mean, atol=1e-5)


def test_the_lens_reads_the_likeliest_token_before_each_token_of_the_span(model):
    text = "the river is a mountain"
    read = lens_words(model, text, (4, len(text)), 10, lambda token: hash(token))
    logits = model.run(text, logits=True).logits[0]
    tokens = model.tokenize([text])[0]
    inside = np.flatnonzero(tokens.offsets[:, 1] > 4)
    best = [
        model.tokenizer.decode([int(t)]) for t in logits[torch.from_numpy(inside - 1)].argmax(-1)
    ]
    assert read[-1].tolist() == [hash(t) for t in best]
    passages = [
        Passage(text, (4, len(text)), len, "a"),
        Passage("Paris is a sea", (6, 14), len, "b"),
    ]
    told = []
    codes, groups = lens_classes(model, passages, 2, lambda: told.append(1))
    assert groups == ["a", "a", "b", "b"]
    assert np.array_equal(codes[:, :2], lens_words(model, text, (4, len(text)), 2, len))
    assert len(told) == 2
