"""Input–output classes of gated neurons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.read.gated_neurons import (
    CLASSES,
    Cosines,
    GatedWeights,
    chance_count,
    class_shares,
    classes_recovered,
    classify,
    io_cosines,
    large_cosines,
    median_cosines,
)
from inscape.worlds.gated import planted_neurons


def cosines(in_out, gate_out, gate_in=None):
    product = np.abs(np.array([in_out]) * gate_out) if gate_in is None else np.array([gate_in])
    return Cosines(np.array([in_out]), np.array([gate_out]), product)


@pytest.mark.parametrize(
    ("in_out", "gate_out", "name"),
    [
        (0.9, 0.9, "enrichment"),
        (0.9, 0.1, "conditional enrichment"),
        (0.1, -0.9, "proportional change"),
        (0.1, 0.2, "orthogonal output"),
        (-0.9, 0.1, "conditional depletion"),
        (-0.9, -0.9, "depletion"),
    ],
)
def test_six_classes(in_out, gate_out, name):
    code, atypical = classify(cosines(in_out, gate_out))
    assert CLASSES[code[0]] == name
    assert not atypical[0]


def test_a_third_cosine_that_does_not_follow_is_atypical():
    assert classify(cosines(0.9, 0.6, gate_in=0.1))[1].tolist() == [True]
    assert classify(cosines(0.9, 0.1, gate_in=0.8))[1].tolist() == [True]
    assert classify(cosines(0.1, 0.1, gate_in=0.8))[1].tolist() == [
        False
    ]  # writes nothing that it reads


def weights(rng, m=40, d=16):
    return GatedWeights(*rng.normal(size=(3, m, d)))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_turning_read_and_write_round_together_changes_nothing_and_nor_do_lengths(seed):
    rng = np.random.default_rng(seed)
    w = weights(rng)
    turn, size = rng.choice([-1.0, 1.0], size=(40, 1)), rng.random((3, 40, 1)) + 0.1
    other = GatedWeights(turn * size[0] * w.read, size[1] * w.gate, turn * size[2] * w.write)
    for name in ("in_out", "gate_out", "gate_in"):
        assert np.allclose(getattr(io_cosines(w), name), getattr(io_cosines(other), name))
    assert (io_cosines(w).gate_in >= 0).all()


def test_agrees_with_a_slow_loop():
    w = weights(np.random.default_rng(3))
    found = io_cosines(w)
    for j in range(40):
        read, gate, write = (x[j] / np.linalg.norm(x[j]) for x in (w.read, w.gate, w.write))
        if read @ gate < 0:
            read, write = -read, -write
        assert found.in_out[j] == pytest.approx(read @ write)
        assert found.gate_out[j] == pytest.approx(gate @ write)
        assert found.gate_in[j] == pytest.approx(read @ gate)


def test_a_permuted_pairing_leaves_no_neuron_its_own_and_loses_the_classes():
    rng = np.random.default_rng(0)
    write = rng.normal(size=(300, 64))
    w = GatedWeights(
        write + 0.3 * rng.normal(size=write.shape), rng.normal(size=write.shape), write
    )
    assert (io_cosines(w).in_out > 0.5).all()
    other = w.permuted(rng=rng)
    assert (np.abs(io_cosines(other).in_out) > 0.5).mean() < 0.01
    assert not (other.write == w.write).all(axis=1).any()
    assert np.allclose(np.sort(other.write, axis=0), np.sort(w.write, axis=0))


def test_planted_classes_are_all_recovered():
    from inscape.read.gated_weights import gated_weights

    world = planted_neurons(each=16)
    for layer, w in gated_weights(world.model):
        assert (classify(io_cosines(w))[0] == world.codes[layer]).all()
        assert not classify(io_cosines(w))[1].any()


def test_refusals():
    with pytest.raises(ValueError, match="threshold must be between 0 and 1, got 1.0"):
        classify(cosines(0.5, 0.5), 1.0)
    with pytest.raises(ValueError, match="one neuron has no other"):
        weights(np.random.default_rng(0), m=1).permuted(rng=np.random.default_rng(0))
    assert io_cosines(GatedWeights(*np.zeros((3, 2, 4)))).in_out.tolist() == [0.0, 0.0]


def test_the_expected_count_is_the_mean_over_derangements():
    rng = np.random.default_rng(0)
    read = rng.normal(size=(40, 3))
    w = GatedWeights(read, read, read + 0.1 * rng.normal(size=(40, 3)))
    counts = []
    while len(counts) < 300:
        order = rng.permutation(40)
        if (order != np.arange(40)).all():
            other = GatedWeights(w.read, w.gate, w.write[order])
            counts.append((np.abs(io_cosines(other).in_out) > 0.5).sum())
    error = np.std(counts) / np.sqrt(300)
    assert abs(chance_count(w, 0.5) - np.mean(counts)) < 4 * error
    assert (np.abs(io_cosines(w).in_out) > 0.5).sum() == 40  # the real pairs are not chance


def test_large_cosines_are_counted_by_layer_beside_those_expected():
    eye = np.eye(4)
    along = GatedWeights(eye, eye, eye)  # each writes what it reads, and nothing of another's
    shared = GatedWeights(eye[[0, 0, 1, 2]], eye, eye[[0, 0, 3, 3]])  # one pair is alike both ways
    found = large_cosines({0: along, 1: shared})
    assert found.found.tolist() == [4.0, 2.0]
    assert found.expected.tolist() == [0.0, chance_count(shared)]
    assert found.expected[1] == pytest.approx(2 / 3)
    assert found.neurons.tolist() == [4, 4]
    e = found.over_expected("toy", direction="none")
    assert e.value == pytest.approx(6 / (2 / 3))
    assert (e.name, e.n, e.interval) == ("large cosines over those expected, toy", 8, None)
    none = large_cosines({0: along}).over_expected("toy")
    assert none.value == pytest.approx(4 * 3)  # one pair is counted: a third of a neuron


def test_planted_classes_are_lost_with_another_neurons_write_vector():
    from inscape.read.gated_weights import gated_weights

    world = planted_neurons(each=16)
    weights = dict(gated_weights(world.model))
    assert classes_recovered(weights, world.codes).all()
    rng = np.random.default_rng(0)
    other = classes_recovered({k: w.permuted(rng=rng) for k, w in weights.items()}, world.codes)
    assert other.shape == (sum(len(w.read) for w in weights.values()),)
    assert other.mean() < 0.5


def test_shares_of_the_classes_of_a_layer_add_up():
    layers = [
        Cosines(np.array([0.9, 0.9, -0.9, 0.0]), np.array([0.9, 0.0, 0.0, 0.0]), np.full(4, 0.0)),
        Cosines(np.array([0.0, 0.2]), np.array([0.9, 0.0]), np.zeros(2)),
    ]
    rows = {(e.where["layer"], e.where["class"]): e for e in class_shares(layers)}
    assert len(rows) == 2 * len(CLASSES)
    shares = {key: e.value for key, e in rows.items() if e.value}
    assert shares == {
        (0, "enrichment"): 0.25,
        (0, "conditional enrichment"): 0.25,
        (0, "conditional depletion"): 0.25,
        (0, "orthogonal output"): 0.25,
        (1, "proportional change"): 0.5,
        (1, "orthogonal output"): 0.5,
    }
    # read and gate are alike in sign, so the third cosine ought to be large
    assert rows[0, "enrichment"].where["atypical"] == 0.25
    assert rows[0, "conditional enrichment"].where["atypical"] == 0
    medians = {(e.where["layer"], e.where["cosine"]): e.value for e in median_cosines(layers)}
    assert medians == pytest.approx(
        {
            (0, "cos(w_in, w_out)"): 0.45,
            (0, "cos(w_gate, w_out)"): 0.0,
            (1, "cos(w_in, w_out)"): 0.1,
            (1, "cos(w_gate, w_out)"): 0.45,
        }
    )


def test_layers_of_one_neuron_and_vectors_with_nan_are_refused():
    one = GatedWeights(*(np.ones((1, 2)) for _ in range(3)))
    for weights in ({0: one}, {}):
        with pytest.raises(ValueError, match="two neurons or more in each"):
            large_cosines(weights)
    with pytest.raises(ValueError, match="vectors holds NaN or infinite numbers"):
        io_cosines(GatedWeights(np.full((2, 2), np.nan), np.ones((2, 2)), np.ones((2, 2))))
