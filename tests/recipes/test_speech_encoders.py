"""Encoders of speech: what they hear, what they are asked, and that both learn it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from inscape.core.rng import generator
from inscape.learn.fit import Budget, fit
from inscape.learn.masked_contrast import span_mask
from inscape.recipes.speech_encoders import (
    CLUSTERS,
    CONTRASTIVE,
    PREDICTIVE,
    encoders,
    heard,
    hidden_frames_found,
    tuned_to_phones,
)


@pytest.fixture(scope="module")
def both():
    return heard(32, 4, 2, rng=partial(generator, 0))


def trained(arm, steps):
    torch.manual_seed(0)
    net = arm.net(0)
    batches = lambda rng: arm.batches(rng, 0)  # noqa: E731
    rng = np.random.default_rng(0)
    return fit(net, batches, arm.objective, Budget(steps), arm.update, rng=rng).net


def test_frames_are_standardised_by_training_and_clusters_tell_phones(both):
    train, test = both
    assert torch.allclose(train.frames.mean((0, 1)), torch.zeros(40), atol=1e-3)
    assert torch.allclose(train.frames.std((0, 1)), torch.ones(40), atol=1e-2)
    assert test.frames.shape == (8, 64, 40)
    assert len(np.unique(test.speech.voices)) == 4
    clusters, phones = test.clusters.flatten().numpy(), test.speech.phones.ravel()
    pure = sum(np.bincount(phones[clusters == c]).max() for c in np.unique(clusters))
    assert pure / len(phones) > 0.5 > np.bincount(phones).max() / len(phones) + 0.2
    assert clusters.max() < CLUSTERS


@pytest.mark.parametrize("kind", [CONTRASTIVE, PREDICTIVE])
def test_each_learns_its_task_on_voices_that_it_has_not_heard(both, kind):
    train, test = both
    arm = encoders(train, 32)[kind]
    hidden = span_mask(8, 64, rng=np.random.default_rng(0))
    nets = [trained(arm, steps) for steps in (0, 150)]
    with torch.no_grad():
        right = [hidden_frames_found(net, test, hidden).double().mean() for net in nets]
    before, after = map(float, right)
    assert before < 0.15
    assert after > before + 0.08


def test_tuning_leaves_the_encoder_as_it_was_and_teaches_a_copy(both):
    train, test = both
    net = trained(encoders(train, 32)[CONTRASTIVE], 5)
    kept = {name: x.clone() for name, x in net.state_dict().items()}
    tuned = trained(tuned_to_phones(net, train), 40)
    assert all(torch.equal(x, kept[name]) for name, x in net.state_dict().items())
    with torch.no_grad():
        right = (tuned(test.frames).argmax(2).numpy() == test.speech.phones).mean()
    commonest = np.bincount(test.speech.phones.ravel()).max() / test.speech.phones.size
    assert right > commonest + 0.15
