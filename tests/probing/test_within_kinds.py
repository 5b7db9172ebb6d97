"""Success detected within kinds."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.probing.detectors import detect
from inscape.probing.within_kinds import (
    area,
    areas_within,
    chance_within,
    shuffled_within,
    success_direction,
    within,
)


def test_labels_are_shuffled_by_task_within_their_kind():
    types, groups = np.repeat([0, 1], 12), np.tile(np.repeat(np.arange(4), 3), 2)
    right = np.concatenate([groups[:12] < 2, groups[:12] < 1])
    out = shuffled_within(right, types, groups, 20, rng=np.random.default_rng(0))
    assert (out[:, :12].sum(axis=1) == 6).all()
    assert (out[:, 12:].sum(axis=1) == 3).all()
    assert (
        np.ptp(out.reshape(20, 8, 3).astype(int), axis=2) == 0
    ).all()  # a task keeps its rows together
    assert len(np.unique(out, axis=0)) > 3


def test_rows_are_centred_within_their_kind():
    x = within(np.array([[1.0], [3.0], [10.0]]), np.array(["a", "a", "b"]))
    assert x.ravel().tolist() == [-1.0, 1.0, 0.0]


@pytest.fixture
def world():
    """A kind that mostly succeeds and one that mostly fails; success itself is the second
    coordinate.
    """
    rng = np.random.default_rng(0)
    kinds, groups = np.repeat([0, 1], 100), np.tile(np.arange(50), 4)
    right = rng.random(200) < np.where(kinds == 0, 0.9, 0.2)
    x = rng.normal(size=(200, 4)) * 0.5
    x[:, 0] += 5 * kinds
    return x, right, kinds, groups


def test_a_probe_that_reads_the_kind_alone_is_at_chance_within_kinds(world):
    x, right, kinds, groups = world
    alone = detect({"kind": x[:, :1]}, right, groups, folds=5)
    assert alone.selected[0].value > 0.75
    assert abs(area(alone, right, kinds).value - 0.5) < 0.1
    x[:, 1] += 4 * right
    both = detect({"both": within(x, kinds)}, right, groups, folds=5)
    assert area(both, right, kinds).value > 0.95
    assert area(both, right, kinds, -both.selected_predictions[:, 0]).value < 0.05


def test_the_direction_is_that_of_success_and_as_long_as_the_means_are_apart(world):
    x, right, kinds, groups = world
    x[:, 1] += 4 * right
    d = success_direction(x, right, groups, kinds, np.arange(200))
    assert abs(d[1]) > 0.95 * np.linalg.norm(d)
    centred = within(x, kinds)
    apart = centred[right].mean(axis=0) - centred[~right].mean(axis=0)
    unit = d / np.linalg.norm(d)
    assert np.linalg.norm(d) == pytest.approx(abs(apart @ unit), rel=1e-5)


def test_areas_of_several_detectors_are_one_measurement_with_every_layer(world):
    x, right, kinds, groups = world
    x[:, 1] += 4 * right
    rows = within(x, kinds)
    found = {
        "states": detect({"resid_post.0": rows[:, 2:], "resid_post.1": rows}, right, groups),
        "words": detect({"words": rows[:, 3:]}, right, groups),
    }
    m, layers = areas_within(found, right, kinds, groups, "words")
    assert m.conditions["words"].role == "baseline"
    assert m.value("states").value == area(found["states"], right, kinds).value > 0.95
    assert [e.where["layer"] for e in layers] == [0, 1]
    assert layers[1].value > 0.95 > 0.65 > layers[0].value
    assert m.gain("states", over="words").interval[0] > 0.2
    told, how = [], {"folds": 4, "rng": np.random.default_rng(0)}
    chance = chance_within(
        {"one": rows}, right, kinds, groups, 6, advance=lambda: told.append(1), **how
    )
    assert len(told) == len(chance) == 6
    assert abs(np.mean([c.value for c in chance]) - 0.5) < 0.1
