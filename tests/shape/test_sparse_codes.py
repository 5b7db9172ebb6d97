"""Sparse codes: closed forms against counting every code, against draws, and at their limits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from inscape.shape.sparse_codes import (
    Detector,
    best_threshold,
    detector_overlaps,
    drawn_cells,
    false_match,
    miss,
    most_active,
    union_size,
)


@pytest.mark.parametrize("theta", [1, 2, 3])
def test_a_false_match_is_a_share_of_all_codes(theta):
    codes = list(combinations(range(9), 4))
    wanted = np.mean([len({0, 1, 2} & set(c)) >= theta for c in codes])
    assert false_match(9, 4, 3, theta) == pytest.approx(wanted)


def test_the_dense_code_of_the_paper_is_matched_a_quarter_of_the_time():
    assert false_match(512, 256, 20, 12) == pytest.approx(0.25, abs=0.01)
    assert 0 < false_match(4096, 128, 24, 12) < 1e-10


def test_a_miss_is_a_share_of_all_losses():
    lost = list(combinations(range(7), 3))
    wanted = np.mean([len({0, 1, 2, 3} - set(x)) < 2 for x in lost])
    assert miss(7, 4, 2, 3) == pytest.approx(wanted)
    assert miss(7, 4, 4, 0) == 0
    assert miss(7, 4, 1, 7) == 1


def test_the_best_threshold_falls_with_noise():
    found = [best_threshold(2000, 80, 24, lost)[0] for lost in (0, 20, 40)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 24
    assert found[-1] < 14


def test_a_union_is_that_of_random_sets():
    rng = np.random.default_rng(0)
    sizes = [len(np.unique(drawn_cells(200, 15, 5, rng=rng))) for _ in range(2000)]
    assert np.mean(sizes) == pytest.approx(union_size(200, 15, 5), rel=0.01)


@pytest.mark.parametrize("s", [5, 40])
def test_drawn_cells_are_different_and_all_as_likely(s):
    found = drawn_cells(60, s, 6000, rng=np.random.default_rng(0))
    assert all(len(set(row)) == s for row in found[:200].tolist())
    counts = np.bincount(found.ravel(), minlength=60) / 6000
    assert counts == pytest.approx(np.full(60, s / 60), abs=0.04)


@pytest.mark.parametrize(
    ("detector", "kind"),
    [
        (Detector(60, 12, 8, 3), "false match"),
        (Detector(60, 12, 6, 4, lost=5), "miss"),
    ],
)
def test_a_detector_errs_as_often_as_its_closed_form_says(detector, kind):
    assert detector.kind == kind
    drawn = detector.drawn_errors(40_000, rng=np.random.default_rng(0))
    assert 0.05 < detector.error() < 0.95
    assert drawn.mean() == pytest.approx(detector.error(), abs=0.01)


def test_a_cell_that_two_codes_share_counts_once():
    detector = Detector(30, 10, 6, 4, codes=3)
    assert detector.kind == "union"
    rng = np.random.default_rng(0)
    slow = [
        len({c for _ in range(3) for c in rng.choice(30, 6, replace=False) if c < 10}) >= 4
        for _ in range(20_000)
    ]
    drawn = detector.drawn_errors(40_000, rng=np.random.default_rng(1))
    assert drawn.mean() == pytest.approx(np.mean(slow), abs=0.015)
    apart = Detector(30, 10, 18, 4).error()  # as many cells, none of them shared
    assert drawn.mean() < apart - 0.05


def test_the_most_active_units_are_those_of_a_sort():
    units = np.random.default_rng(0).normal(size=(50, 20))
    codes = most_active(units, 6)
    assert (codes.sum(axis=1) == 6).all()
    for row, code in zip(np.abs(units), codes, strict=True):
        assert row[code].min() > row[~code].max()


def test_overlaps_are_of_the_cells_that_each_detector_watches():
    codes = np.random.default_rng(0).random((40, 30)) < 0.4
    codes[7] = False
    codes[7, :3] = True  # fewer active cells than a detector watches
    found = detector_overlaps(codes, [2, 7], 5, rng=np.random.default_rng(1))
    assert found.shape == (2, 40)
    assert found[0, 2] == 5
    assert found[1].tolist() == codes[:, :3].sum(axis=1).tolist()
    assert (found[0] <= (codes & codes[2]).sum(axis=1)).all()
    every = detector_overlaps(codes, [2], 30, rng=np.random.default_rng(1))
    assert every[0].tolist() == (codes & codes[2]).sum(axis=1).tolist()


def test_refusals():
    with pytest.raises(ValueError, match="Detector: misses are of one code, got 2 lost cells"):
        Detector(50, 10, 5, 2, codes=3, lost=2)
    with pytest.raises(ValueError, match="most_active: a must be 1 to 4, got 5"):
        most_active(np.zeros((2, 4)), 5)
    with pytest.raises(ValueError, match="false_match: 5 active and 2 watched of 4 cells"):
        false_match(4, 5, 2, 1)
    with pytest.raises(ValueError, match="miss: 6 watched and 0 lost of 5"):
        miss(5, 6, 1, 0)


def test_whole_numbers_are_as_active_as_their_floats():
    units = np.array([[0, 3, 2], [-128, 1, 5]])
    wanted = [[False, True, True], [True, False, True]]
    assert most_active(units.astype(np.float64), 2).tolist() == wanted
    assert most_active(units.astype(np.int8), 2).tolist() == wanted
    assert most_active(np.abs(units).astype(np.uint8), 2).tolist() == wanted


def test_what_cannot_be_drawn_or_ranked_is_refused():
    with pytest.raises(ValueError, match="1 rows hold NaN, so no unit of theirs is most active"):
        most_active(np.array([[1.0, np.nan], [1.0, 2.0]]), 1)
    with pytest.raises(ValueError, match="2 codes that watch 20 of 10 cells cannot be"):
        union_size(10, 20, 2)
    with pytest.raises(ValueError, match="watches at least one cell, got 0"):
        best_threshold(10, 3, 0, 0)
    with pytest.raises(ValueError, match="2 different cells of 1 cannot be drawn"):
        drawn_cells(1, 2, 1, rng=np.random.default_rng(0))
