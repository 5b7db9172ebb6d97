"""Coordinates of every token: those of a plain capture, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.read.coordinates import coordinates, mean_vectors, token_means


def test_they_are_the_captured_vectors_along_the_directions(model, examples):
    sites = ["resid_post.0", "resid_post.2"]
    onto = np.random.default_rng(0).normal(size=(2, 3, 24))
    found = coordinates(model, examples, sites, onto, budget=40)
    for i in (0, 3, 17):
        alone = model.run(examples.texts()[i], sites)
        for s, site in enumerate(sites):
            assert np.allclose(found[i][:, s], alone[site][0].numpy() @ onto[s].T, atol=1e-4)
    assert len(found) == len(examples)
    assert len({len(f) for f in found}) > 3


def test_refusal(model, examples):
    with pytest.raises(ValueError, match=r"directions must be \(sites, k, d\) with 1 sites"):
        coordinates(model, examples, ["resid_post.0"], np.ones((2, 3, 24)))


def test_means_are_over_all_tokens_but_each_first(model, examples):
    onto = np.random.default_rng(0).normal(size=(2, 1, 24))
    found = token_means(model, examples, ["resid_post.1"], onto)
    every = coordinates(model, examples, ["resid_post.1"], onto.transpose(1, 0, 2))
    assert found.shape == (1, 2)
    assert np.allclose(found[0], np.concatenate([t[1:, 0] for t in every]).mean(axis=0))
    assert not np.allclose(found[0], np.concatenate([t[:, 0] for t in every]).mean(axis=0))


def test_mean_vectors_leave_the_first_token_out(model, examples):
    found = mean_vectors(model, examples, ["resid_post.0", "resid_post.2"], budget=50)
    for i in (0, 9):
        alone = model.run(examples.texts()[i], ["resid_post.2"])["resid_post.2"][0].numpy()
        assert np.allclose(found[1, i], alone[1:].mean(axis=0), atol=1e-6)
        assert not np.allclose(found[1, i], alone.mean(axis=0), atol=1e-4)
