"""Tokens of pictures: states, what they identify, and what their deletion costs a small trained
network.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from inscape.core.rng import generator
from inscape.outcomes.picture_states import Shown, batches, logits_of
from inscape.outcomes.token_deletion import (
    GRADIENT,
    INK,
    RANDOM,
    SCORE,
    SINGLE,
    TRUTH,
    WEIGHTED,
    Deletion,
    PooledDeletion,
    token_deletion,
)
from inscape.outcomes.token_identity import (
    CLASS,
    LENS,
    MATRICES,
    OBJECT,
    PROBE,
    REST,
    over_tokens,
    pooled_identity,
    token_identity,
    updates,
)
from inscape.read.shortcut_fits import stream
from inscape.worlds.cluttered_digits import Pictures, cluttered_digits


def streams(*names: str) -> np.random.Generator:
    return generator(0, *names)


@pytest.fixture(scope="module")
def world():
    return cluttered_digits(2, 32, steps=150, images=120, clutter=2, rate=6e-3)


@pytest.fixture(scope="module")
def shown(world):
    return [Shown.of(world.model, p, stream(world.model)) for p in (world.train, world.test)]


@pytest.fixture(scope="module")
def identity(world, shown):
    return token_identity(world.model, *shown, matrices=30, averaged=5, rng=streams)


def test_every_picture_is_in_one_batch():
    parts = batches(250)
    assert np.concatenate(parts).tolist() == list(range(250))
    assert {len(p) for p in parts} <= {83, 84}


def test_scores_are_the_models_own_and_a_token_set_to_its_own_embedding_changes_nothing(
    world, shown
):
    images = world.test.images[:3]
    pixels = {"pixel_values": torch.from_numpy(images).float()}
    own = world.model.run(pixels, logits=True).logits
    assert torch.allclose(logits_of(world.model, images), own, atol=1e-5)
    embed = shown[1].states["embed"][:1]
    gone = np.zeros((1, embed.shape[1]), dtype=bool)
    gone[0, 4:9] = True
    same = logits_of(world.model, images[:1], gone, embed[0])
    assert torch.allclose(same, own[:1], atol=1e-5)
    other = logits_of(world.model, images[:1], gone, torch.zeros_like(embed[0]))
    assert not torch.allclose(other, own[:1], atol=1e-3)


def test_means_over_tokens_of_a_picture():
    mask = np.array([[True, False, False]])
    picture = Pictures(np.zeros((1, 1, 2, 2), np.float32), np.array([3]), mask, np.array([0]))
    x = np.array([[0.1, 0.9, 0.2, 0.4]])
    assert [over_tokens(x, picture, w)[0] for w in (CLASS, OBJECT, REST)] == pytest.approx(
        [0.1, 0.9, 0.3]
    )


def test_the_class_token_identifies_what_the_network_has_learnt_and_random_matrices_nothing(
    world, identity
):
    assert world.accuracy > 0.3
    assert identity.mean(LENS, CLASS)[0].mean() == pytest.approx(0.5, abs=0.1)
    assert identity.mean(LENS, CLASS)[-1].mean() > 0.7
    assert identity.mean(PROBE, CLASS)[-1].mean() > 0.7
    assert identity.readings[MATRICES].mean() == pytest.approx(0.5, abs=0.05)
    assert identity.random.shape == (30, 120, 37)
    assert identity.random.mean() == pytest.approx(0.5, abs=0.05)


def test_what_each_part_adds_is_read(world):
    found = updates(world.model, world.test)
    assert found["update"].tolist() == ["attention", "MLP"] * 2
    assert found[[CLASS, OBJECT, REST]].to_numpy().min() >= 0
    assert found["most active neuron writes the class"].notna().tolist() == [False, True] * 2


def test_the_objects_own_tokens_cost_more_than_random_ones_and_nothing_costs_nothing(
    world, shown, identity
):
    found = token_deletion(world.model, identity.probe, *shown, share=0.25, draws=4, rng=streams)
    assert found.right.mean() == pytest.approx(world.accuracy)
    assert found.lost[TRUTH].mean() > found.lost[RANDOM].mean() + 0.05
    np.testing.assert_allclose(found.lost[RANDOM], found.drawn.mean(axis=0))
    assert found.chosen in (GRADIENT, WEIGHTED, SCORE)
    none = token_deletion(world.model, identity.probe, *shown, share=0.0, draws=2, rng=streams)
    assert all((lost == 0).all() for lost in none.lost.values())


def test_networks_are_pooled_picture_by_picture(identity):
    turned = {name: 1 - x for name, x in identity.readings.items()}
    one = pooled_identity([identity])
    both = pooled_identity([identity, replace(identity, readings=turned)])
    assert both.groups.tolist() == 2 * identity.pictures.source.tolist()
    assert both.last(CLASS) == pytest.approx(0.5)
    assert one.last(CLASS) == pytest.approx(identity.mean(LENS, CLASS)[-1].mean())
    own = one.of_class_token()
    assert own.value == pytest.approx(one.last(CLASS))
    assert (own.null.kind, own.null.draws) == (MATRICES, 30)
    assert own.null.mean == pytest.approx(identity.random[:, :, 0].mean())
    gap = one.of_object_over_rest()
    assert gap.value == pytest.approx(one.last(OBJECT) - one.last(REST))
    null = [over_tokens(identity.random, identity.pictures, w).mean() for w in (OBJECT, REST)]
    assert gap.null.mean == pytest.approx(null[0] - null[1])
    chance = one.of_random_matrices()
    assert (chance.value, chance.n) == (pytest.approx(own.null.mean), 30)
    rows = {tuple(e.where.values()): e.value for e in one.by_layer()}
    assert len(rows) == 3 * len(identity.readings) * 3  # an embedding and two blocks
    assert rows[OBJECT, PROBE, -1] == pytest.approx(identity.mean(PROBE, OBJECT)[0].mean())


def test_what_networks_lose_is_pooled_and_compared_with_what_is_lost_at_random():
    def one(chosen: str, right: float, **lost: float) -> Deletion:
        names = dict.fromkeys((GRADIENT, WEIGHTED, SCORE), 0.0)
        names |= {PROBE: 0.25, TRUTH: 1.0, INK: 1.0, RANDOM: 0.5}
        costs = {name: np.full(4, lost.get(name, x)) for name, x in names.items()}
        return Deletion(np.arange(4) < 4 * right, costs, np.full((3, 4), 0.5), chosen)

    networks = [one(SCORE, 0.5, **{SCORE: 0.9}), one(GRADIENT, 1.0, **{GRADIENT: 0.7})]
    found = PooledDeletion(networks, np.arange(8))
    assert found.right.mean() == 0.75
    assert found.best.tolist() == pytest.approx([0.9] * 4 + [0.7] * 4)
    assert found.over_random().value == pytest.approx(0.8 / 0.5)
    m = found.measured()
    assert m.value(SCORE, null=SINGLE).value == pytest.approx(0.45)
    assert m.value(SCORE, null=SINGLE).null.mean == pytest.approx(0.5)
    assert m.conditions[RANDOM].role == "baseline"
    table = found.table()
    assert table["accuracy"].tolist() == [0.5, 1.0]
    assert table["importance chosen"].tolist() == [SCORE, GRADIENT]
    assert table[f"lost, {PROBE}"].tolist() == [0.25, 0.25]
