"""Directions of several sites: held at a mean everywhere but the first token, or projected out
everywhere.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.directions_at import held_at_mean, projected_out, unit
from inscape.model.model import Model
from tests.model import nets

SITES = ["resid_post.0", "resid_post.1"]
D = unit(np.random.default_rng(0).normal(size=(2, nets.D)))


@pytest.fixture(scope="module")
def model():
    return Model(nets.net("llama"), nets.tokenizer(), "tiny")


def along(model, edits, site):
    x = model.run("the river is in Paris", site, edits=edits)[site][0]
    return (x @ torch.from_numpy(D[SITES.index(site)]).float()).detach().numpy()


def test_rows_have_length_one():
    assert np.allclose(np.linalg.norm(unit(3 * D), axis=1), 1)


@pytest.mark.parametrize("zero", [False, True])
def test_coordinates_are_held_at_the_references_mean_but_for_the_first_token(model, zero):
    reference = np.random.default_rng(1).normal(size=(5, 2, nets.D))
    edits = held_at_mean(SITES, D, reference, zero)
    for s, site in enumerate(SITES):
        wanted = 0.0 if zero else float(reference[:, s].mean(axis=0) @ D[s])
        assert np.allclose(along(model, edits, site)[1:], wanted, atol=1e-4)
    plain = along(model, [], SITES[0])
    assert along(model, edits, SITES[0])[0] == pytest.approx(plain[0], abs=1e-4)
    assert np.abs(plain[1:] - wanted).max() > 1e-2


def test_what_is_projected_out_is_gone_at_every_token(model):
    for site in SITES:
        assert np.abs(along(model, projected_out(SITES, D), site)).max() < 1e-4
        assert np.abs(along(model, [], site)).max() > 1e-2
