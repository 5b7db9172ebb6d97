"""Planted gated neurons: as many of each class, the same for a seed, hidden where the gain is not
folded in.
"""

from __future__ import annotations

import numpy as np
import torch

from inscape.read.gated_neurons import CLASSES, classify, io_cosines
from inscape.read.gated_weights import gated_weights
from inscape.worlds.gated import planted_neurons


def test_every_class_is_there_and_a_seed_gives_the_same():
    world, again, other = (planted_neurons(each=5, layers=2, seed=s) for s in (1, 1, 2))
    assert world.classes == CLASSES
    assert [np.bincount(row).tolist() for row in world.codes] == [[5] * 6] * 2
    assert world.model.weights_hash == again.model.weights_hash != other.model.weights_hash
    assert np.array_equal(world.codes, again.codes)


def test_by_depth_enrichment_is_early_and_depletion_late():
    codes = planted_neurons(each=5, by_depth=True).codes
    assert codes[:2].max() <= 2
    assert codes[2:].min() >= 3


def test_planted_classes_show_only_where_the_gain_is_folded_in():
    world = planted_neurons(each=20, layers=1)
    norm = world.model.net.model.layers[0].post_attention_layernorm
    found = [classify(io_cosines(w))[0] for _, w in gated_weights(world.model)]
    assert (found[0] == world.codes[0]).all()
    with torch.no_grad():
        norm.weight.copy_(torch.exp(torch.randn(64, generator=torch.Generator().manual_seed(0))))
    wrong = [classify(io_cosines(w))[0] for _, w in gated_weights(world.model)]
    assert (wrong[0] == world.codes[0]).mean() < 0.9
