"""Features with a planted neuron are told by it; questions and rotations are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.probing.neuron_features import NeuronFeature, Question, RotatedBasis, questions
from inscape.probing.sparse_sweep import sparse_sweep


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 4)
    y = rng.integers(0, 2, 160)
    x = {"mlp_act.0": rng.normal(size=(160, 12)), "mlp_act.1": rng.normal(size=(160, 12))}
    x["mlp_act.1"][:, 5] += 4.0 * y
    found = sparse_sweep(x.items(), y, groups, sizes=(1, 4), shuffles=5, random=6)
    question = Question("colour", "red", False, np.arange(160), y)
    return NeuronFeature("red", question, found, 0.9, 0.5), x


def test_the_planted_neuron_is_found_and_shuffled_labels_find_none(planted):
    feature, _ = planted
    e = feature.evidence
    assert (e.where["layer"], e.where["neuron"]) == (1, 5)
    assert e.value > 0.9 > 0.7 > max(feature.null)
    assert feature.random < 0.65
    assert e.where["random neuron, median"] == feature.random
    assert len(feature.null) == 5


def test_every_example_is_held_out_by_one_fold_that_picks_the_planted_neuron(planted):
    feature, _ = planted
    picks = feature.picks()
    held = np.concatenate([p[0] for p in picks])
    assert sorted(held.tolist()) == list(range(160))
    assert {(site, neuron) for _, site, neuron in picks} == {("mlp_act.1", 5)}


def test_the_mean_over_layers_is_that_of_the_table(planted):
    feature, _ = planted
    table = feature.by_layer()
    assert list(table["k"]) == [1, 4, 1, 4]
    for k in (1, 4):
        mean = table[table["k"] == k]["balanced accuracy"].mean()
        assert feature.of_size(k).value == pytest.approx(mean)
    assert feature.of_size(1).value < feature.evidence.value


def test_questions_ask_about_each_of_several_values_and_the_first_of_two():
    frame = pd.DataFrame({"feature": list("aabbbb"), "value": list("xyuvwu")}, index=range(5, 11))
    asked = questions(frame)
    assert [(q.kind, q.value, q.several) for q in asked] == [
        ("a", "x", False),
        ("b", "u", True),
        ("b", "v", True),
        ("b", "w", True),
    ]
    assert asked[0].rows.tolist() == [0, 1]
    assert asked[1].rows.tolist() == [2, 3, 4, 5]
    assert asked[1].y.tolist() == [1, 0, 0, 1]


def test_a_rotation_keeps_distances_and_hides_the_neuron(planted):
    _, x = planted
    turn = RotatedBasis(seed=3, draw=0)
    (_, first), (_, again) = (next(turn(iter(x.items()))) for _ in range(2))
    assert np.array_equal(first, again)
    plain = x["mlp_act.0"]
    z = (plain - plain.mean(axis=0)) / plain.std(axis=0)
    assert np.allclose(first @ first.T, z @ z.T, atol=1e-3)
    other = next(RotatedBasis(seed=3, draw=1)(iter(x.items())))[1]
    assert not np.allclose(first, other)
    assert np.allclose(next(turn(iter([("flat", np.ones((4, 3)))])))[1], 0)


def test_a_missing_value_is_no_value():
    frame = pd.DataFrame({"feature": list("aaab"), "value": ["x", "y", None, "x"]})
    with pytest.raises(ValueError, match="1 rows lack 'feature' or 'value'"):
        questions(frame)
