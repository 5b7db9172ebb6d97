"""Regions across subjects: against a loop, with noise of one's own, and the subjects that are made
for it.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.compare.dissimilarity import dissimilarity
from inscape.compare.inter_subject import (
    inter_subject,
    same_region,
    shuffled_items,
    shuffled_same_region,
)
from inscape.core.jackknife import mean_of_pairs
from inscape.worlds.synthetic_subjects import scanned, scanned_subjects


def subjects(noise: float, seed: int = 0) -> np.ndarray:
    """Three subjects who share the states of two layers, and a region of noise."""
    rng = np.random.default_rng(seed)
    states = [rng.normal(size=(40, 6)) for _ in range(2)]
    return np.stack(
        [
            [dissimilarity(x) for x in scanned(states, 50, noise=noise, empty=1, rng=rng)]
            for _ in range(3)
        ]
    )


def test_entries_are_those_of_a_loop():
    d, at = subjects(0.5), np.triu_indices(40, 1)
    found = inter_subject(d)
    assert found.shape == (3, 3, 3, 3)
    for p, q, a, b in [(0, 1, 2, 0), (1, 1, 0, 2), (2, 0, 1, 2)]:
        slow = np.corrcoef(d[a, p][at], d[b, q][at])[0, 1]
        assert found[p, q, a, b] == pytest.approx(slow)


def test_the_same_layer_matches_across_subjects_other_layers_and_noise_do_not():
    found = inter_subject(subjects(0.5))
    mean = np.array([[mean_of_pairs(found[p, q]).value for q in range(3)] for p in range(3)])
    assert min(mean[0, 0], mean[1, 1]) > 0.6
    assert abs(mean[0, 1]) < 0.15
    assert abs(mean[2]).max() < 0.15
    louder = inter_subject(subjects(4.0))
    assert mean_of_pairs(louder[0, 0]).value < mean[0, 0] - 0.2


def test_shuffled_items_are_moved_alike_in_the_regions_of_a_subject_and_apart_in_others():
    place = np.arange(144.0).reshape(12, 12)  # an entry tells its row and its column
    d = np.broadcast_to(place, (3, 2, 12, 12)) + 1000 * np.arange(2)[None, :, None, None]
    moved = shuffled_items(d, rng=np.random.default_rng(0))
    orders = [(own[0].diagonal() // 13).astype(int) for own in moved]
    for own, order in zip(moved, orders, strict=True):
        assert np.array_equal(own[0], place[np.ix_(order, order)])
        assert np.array_equal(own[1], own[0] + 1000)
    assert len({tuple(o) for o in orders}) == 3
    same = np.repeat(subjects(0.5)[:1], 3, axis=0)
    assert mean_of_pairs(inter_subject(same)[0, 0]).value == pytest.approx(1)
    null = inter_subject(shuffled_items(same, rng=np.random.default_rng(1)))
    assert abs(mean_of_pairs(null[0, 0]).value) < 0.15


def test_a_region_with_itself_is_the_diagonal_with_each_subject_left_out():
    d = subjects(0.5)
    found, every = same_region(d), inter_subject(d)
    assert len(found) == 3
    for p, own in enumerate(found):
        assert own.value == pytest.approx(mean_of_pairs(every[p, p]).value)
        assert own.without[0] == pytest.approx((every[p, p, 1, 2] + every[p, p, 2, 1]) / 2)


def test_the_null_of_a_region_is_the_same_draws_of_shuffled_items():
    d = subjects(0.5)
    null = shuffled_same_region(d, 20, rng=np.random.default_rng(4))
    rng = np.random.default_rng(4)
    for draw in null[:3]:
        moved = inter_subject(shuffled_items(d, rng=rng))
        slow = [mean_of_pairs(moved[p, p]).value for p in range(3)]
        np.testing.assert_allclose(draw, slow)
    assert null.shape == (20, 3)
    # shared layers are far beyond it, a region of noise is within
    value = [r.value for r in same_region(d)]
    assert (null.max(axis=0)[:2] < value[:2]).all()
    assert null[:, 2].min() < value[2] < null[:, 2].max()


def test_subjects_have_the_voxels_and_noise_of_their_number_whatever_their_states():
    rng = np.random.default_rng(2)
    first, second = ([rng.normal(size=(60, 5)) for _ in range(2)] for _ in range(2))

    def streams(*names):
        assert names[0] == "scan"
        return np.random.default_rng(int(names[1]))

    made = scanned_subjects([first, first, second], 20, noise=0.5, empty=1, rng=streams)
    assert made.shape == (3, 3, 60, 20)
    np.testing.assert_array_equal(
        made[1], scanned(first, 20, noise=0.5, empty=1, rng=np.random.default_rng(1))
    )
    assert not np.allclose(made[0], made[1])
    other = scanned_subjects([first, second, second], 20, noise=0.5, empty=1, rng=streams)
    np.testing.assert_array_equal(other[1, 2], made[1, 2])  # the region of noise
    assert not np.allclose(other[1, 0], made[1, 0])


def test_voxels_are_mixtures_with_noise_in_units_of_their_signal():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 4))
    clean, noisy = (scanned([x], 30, noise=s, empty=0, rng=rng)[0] for s in (0.0, 2.0))
    assert np.linalg.matrix_rank(clean) == 4
    assert clean.std() == pytest.approx(1)
    assert noisy.std() == pytest.approx(np.sqrt(5), rel=0.05)


def test_refusals():
    with pytest.raises(ValueError, match="at least two subjects"):
        inter_subject(subjects(0.5)[:1])
    with pytest.raises(ValueError, match="same_region: needs at least three subjects, got 2"):
        same_region(subjects(0.5)[:2])
    flat = subjects(0.5)
    flat[0, 0] = 0.0
    with pytest.raises(ValueError, match="tells no items apart"):
        inter_subject(flat)
