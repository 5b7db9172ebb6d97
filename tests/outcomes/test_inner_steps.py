"""Steps of a network that has learnt its language lower the loss; those of an untrained one have no
direction.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.core.folds import group_codes
from inscape.core.rng import generator
from inscape.outcomes.inner_steps import (
    OTHER,
    RANDOM,
    TRUE,
    WRONG,
    first_token_norms,
    inner_steps,
    steps_of_sources,
    steps_while_learning,
)
from inscape.read.matched_tokens import matched_tokens, token_counts
from inscape.read.shortcut_fits import stream
from inscape.read.states import States, states
from inscape.worlds.lexicon import lexicon


@pytest.fixture(scope="module")
def found():
    world = lexicon(steps=100, keep=(0,))
    out = {}
    for name, model in (("trained", world.model), ("untrained", world.checkpoints[0])):
        few = world.documents.take(np.arange(30))
        rows = States.together(list(states(model, few, stream(model))))
        counts = token_counts(model, [few])
        wrong = matched_tokens(rows.following, counts, 6, rng=np.random.default_rng(0))
        told = []
        advance = lambda told=told: told.append(1)  # noqa: E731
        made = inner_steps(model, rows, wrong, seed=0, name=name, draws=2, advance=advance)
        assert len(told) == len(stream(model)) - 1
        out[name] = model, rows, made
    return out


def test_only_a_trained_networks_own_updates_point_where_the_true_token_gets_likelier(found):
    mean = {k: f[2].cosine for k, f in found.items()}
    upper = found["trained"][2].upper
    assert mean["trained"][TRUE][upper].mean() > 0.1
    for series in (WRONG, RANDOM):
        assert mean["trained"][series][upper].mean() < 0.05
    assert abs(mean["untrained"][TRUE].mean()) < 0.05
    assert mean["trained"][OTHER].shape == mean["trained"][TRUE].shape


def test_the_last_loss_is_the_networks_own(found):
    model, rows, made = found["trained"]
    tokens = model.tokenize(lexicon(steps=100, keep=(0,)).documents.texts())[0]
    logits = model.run(model.collate([tokens]), logits=True).logits
    assert logits is not None
    own = rows.example == 0
    at = torch.from_numpy(rows.position[own])
    expected = torch.nn.functional.cross_entropy(
        logits[0, at].double(), torch.from_numpy(rows.following[own]), reduction="none"
    )
    assert np.allclose(made.loss[-1][own], expected.numpy(), atol=1e-4)
    assert made.loss[-1].mean() < made.loss[0].mean() - 0.1


def test_random_steps_are_as_many_as_asked_for_and_fall_less_than_updates(found):
    _, _, made = found["trained"]
    assert made.falls.shape == (2, made.step[made.upper].shape[0], made.step.shape[1])
    own = (made.loss[:-1] - made.loss[1:])[made.upper]
    assert own.mean() > made.falls.mean()
    assert made.negative in (0.0, 0.5, 1.0)


def test_steps_of_sources_are_those_of_their_tokens_with_a_group_each():
    world = lexicon(steps=100, keep=(0,))
    few, told = world.documents.take(np.arange(20)), []
    found, groups = steps_of_sources(
        world.model,
        [few],
        60,
        most=8,
        near=6,
        seed=0,
        name="trained",
        streams=lambda *names: generator(0, *names),
        wrong=np.random.default_rng(0),
        advance=lambda: told.append(1),
    )
    assert found.step.shape[1] == len(groups) >= 60
    assert len(told) == len(found.step)
    assert found.cosine[TRUE][found.upper].mean() > 0.1
    assert len(np.unique(groups)) > 3


def test_first_tokens_have_their_own_norms_and_groups():
    world = lexicon(steps=100, keep=(0,))
    few = world.documents.take(np.arange(4))
    norms, groups = first_token_norms(world.model, few)
    sites = stream(world.model)
    assert norms.shape == (len(sites), 4)
    own = [float(world.model.run(t, sites[-1])[sites[-1]][0, 0].norm()) for t in few.texts()]
    assert np.sort(norms[-1]) == pytest.approx(np.sort(own), rel=1e-4)
    assert sorted(groups) == sorted(group_codes(few.groups()))
    texts = few.take(np.arange(1))  # alone, in its own place
    alone, _ = first_token_norms(world.model, texts)
    assert alone[-1, 0] == pytest.approx(own[0], rel=1e-4)


def test_a_network_that_learns_points_more_and_more_to_the_true_token():
    world = lexicon(steps=100, keep=(0,))
    frame = steps_while_learning(
        {"0": world.checkpoints[0], "end": world.model},
        world.documents.take(np.arange(20)),
        world.documents,
        seed=0,
        streams=lambda: np.random.default_rng(0),
    ).set_index("training step")
    assert list(frame.index) == ["0", "end"]
    assert frame["loss"]["end"] < frame["loss"]["0"]
    assert frame["cosine, true − wrong"]["end"] > frame["cosine, true − wrong"]["0"] + 0.05
