"""Cluttered digits are what they say: whose cells are the digit's is known, and a network learns to
name it.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from inscape.core.errors import DataError
from inscape.worlds.cluttered_digits import (
    CELL,
    GRID,
    KNOWN,
    Pictures,
    cluttered_digits,
    permuted_cells,
    pictures,
)


def test_the_digit_stands_whole_in_its_cells_and_clutter_elsewhere():
    shown = pictures(50, False, clutter=6, rng=np.random.default_rng(0))
    digits, names = load_digits(return_X_y=True)
    assert shown.images.shape == (50, 1, GRID * CELL, GRID * CELL)
    assert (shown.object.sum(axis=1) == 4).all()
    assert (shown.source >= KNOWN).all()
    for i in range(10):
        first = int(np.flatnonzero(shown.object[i])[0])
        top, left = first // GRID * CELL, first % GRID * CELL
        assert np.allclose(
            shown.images[i, 0, top : top + 8, left : left + 8] * 16,
            digits[shown.source[i]].reshape(8, 8),
        )
    assert (shown.classes == names[shown.source]).all()
    cells = (
        shown.images.reshape(50, GRID, CELL, GRID, CELL)
        .transpose(0, 1, 3, 2, 4)
        .reshape(50, GRID * GRID, -1)
    )
    filled = (cells.sum(-1) > 0) & ~shown.object
    assert (filled.sum(axis=1) <= 6).all()
    assert filled.sum(axis=1).mean() > 5


def test_training_pictures_are_of_other_digits():
    assert (pictures(100, True, rng=np.random.default_rng(0)).source < KNOWN).all()


def test_mixed_cells_are_the_same_cells():
    shown = pictures(3, True, rng=np.random.default_rng(0))
    mixed, order = permuted_cells(shown.images, rng=np.random.default_rng(1))
    assert np.allclose(np.sort(mixed.reshape(3, -1)), np.sort(shown.images.reshape(3, -1)))
    assert not np.allclose(mixed, shown.images)
    first = int(order[0, 0])  # what now is in the first cell
    top, left = first // GRID * CELL, first % GRID * CELL
    assert np.allclose(
        mixed[0, 0, :CELL, :CELL], shown.images[0, 0, top : top + CELL, left : left + CELL]
    )


def test_one_seed_is_one_network_and_the_global_stream_is_left_alone():
    state = torch.random.get_rng_state()
    ticks: list[int] = []
    small = {"blocks": 2, "width": 16, "batch": 16, "images": 60, "clutter": 0}
    first = cluttered_digits(steps=5, progress=lambda: ticks.append(1), **small)
    again, other = cluttered_digits(steps=5, **small), cluttered_digits(steps=2, seed=1, **small)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert len(ticks) == 5
    assert first.model.certificate.passed
    assert first.model.weights_hash == again.model.weights_hash != other.model.weights_hash
    assert first.accuracy == pytest.approx(again.accuracy)


def test_pictures_of_ones_own(tmp_path):
    shown = pictures(8, True, rng=np.random.default_rng(0))
    np.savez(tmp_path / "mine.npz", images=shown.images, classes=shown.classes, object=shown.object)
    found = Pictures.from_file(str(tmp_path / "mine.npz"))
    assert len(found) == 8
    assert found.source.tolist() == list(range(8))
    assert found.take(np.array([6, 1])).source.tolist() == [6, 1]
    with pytest.raises(DataError, match="cannot be read as pictures"):
        Pictures.from_file(str(tmp_path / "none.npz"))
