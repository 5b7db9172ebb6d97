"""What a steering vector must beat: as long, as alike from block to block, and pointing
elsewhere.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.control.contrast_vectors import difference_of_means
from inscape.control.matched_vectors import labelled_controls, random_vectors, relabelled_vectors
from inscape.control.steering_vector import SteeringVector

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(1, 64)) + 0.4 * RNG.normal(size=(3, 64))
VECTOR = SteeringVector({4: ROWS[0], 5: 2 * ROWS[1], 6: ROWS[2]}, "llama")


def stacked(vector):
    return np.stack(list(vector.vectors.values())).astype(np.float64)


def test_random_ones_keep_norms_and_cosines_between_blocks_and_point_elsewhere():
    rows = stacked(VECTOR)
    drawn = random_vectors(VECTOR, 20, rng=np.random.default_rng(1))
    for one in drawn:
        assert np.allclose(stacked(one) @ stacked(one).T, rows @ rows.T, rtol=1e-5)
        assert list(one.vectors) == [4, 5, 6]
    cosines = np.array([stacked(one)[0] @ rows[0] for one in drawn]) / (rows[0] @ rows[0])
    assert np.abs(cosines).max() < 0.6
    assert cosines.std() == pytest.approx(1 / np.sqrt(64), rel=0.5)
    again = random_vectors(VECTOR, 20, rng=np.random.default_rng(1))
    assert np.array_equal(stacked(again[3]), stacked(drawn[3]))


def test_a_row_of_zeros_stays_one():
    drawn = random_vectors(
        SteeringVector({1: np.zeros(8), 2: np.ones(8)}), 1, rng=np.random.default_rng(0)
    )[0]
    assert np.allclose(drawn.vectors[1], 0)
    assert np.linalg.norm(drawn.vectors[2]) == pytest.approx(np.sqrt(8), rel=1e-5)


def test_relabelled_ones_are_as_long_and_hold_less_of_the_concept():
    groups = np.repeat(np.arange(40), 2)
    y = np.arange(80) % 2
    x = (
        RNG.normal(size=(3, 80, 64))
        + 3 * (y - 0.5)[None, :, None] * (ROWS / np.linalg.norm(ROWS, axis=1)[:, None])[:, None]
    )
    vector = SteeringVector(dict(zip((4, 5, 6), difference_of_means(x, y), strict=True)))
    drawn = relabelled_vectors(vector, x, y, groups, 8, rng=np.random.default_rng(2))
    real = stacked(vector)
    assert np.linalg.norm(real[0]) > 2
    for one in drawn:
        assert np.allclose(
            np.linalg.norm(stacked(one), axis=1), np.linalg.norm(real, axis=1), rtol=1e-5
        )
        assert np.abs(np.einsum("ld,ld->l", stacked(one), real) / (real**2).sum(1)).max() < 0.7


def test_refusals():
    with pytest.raises(ValueError, match="a vector that is not zero and at least one draw"):
        random_vectors(VECTOR, 0, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="a vector that is not zero"):
        random_vectors(SteeringVector({1: np.zeros(3)}), 1, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="rows of 2 blocks, and the vector has 3"):
        relabelled_vectors(
            VECTOR,
            np.zeros((2, 4, 64)),
            np.array([0, 1, 0, 1]),
            np.array([0, 0, 1, 1]),
            1,
            rng=np.random.default_rng(0),
        )


def test_labelled_controls_are_as_long_and_permuted_ones_are_found_from_their_labels():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 5)
    labels = groups % 2 == 0
    x = rng.normal(size=(60, 24)) + 2.0 * labels[:, None] * ROWS[0, :24]
    v = difference_of_means(x[None], labels.astype(int))[0]
    random, permuted = labelled_controls(v, x, labels, groups, 7, rng=np.random.default_rng(1))
    assert len(random) == len(permuted) == 7
    for one in (*random, *permuted):
        assert np.linalg.norm(one.vector) == pytest.approx(np.linalg.norm(v))
    assert all((one.labels == labels).all() for one in random)
    for one in permuted:
        found = difference_of_means(x[None], one.labels.astype(int))[0]
        assert found @ one.vector == pytest.approx(np.linalg.norm(found) * np.linalg.norm(v))
        assert {len(set(one.labels[groups == g])) for g in range(12)} == {1}
    assert max(abs(one.vector @ v) for one in random) < 0.8 * (v @ v)
