"""Crops of photographs: squares of the pictures at half their size, with pixels held out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from inscape.worlds import photo_crops, pixel_grid


def halved(name):
    """Each pixel the mean of four, one by one."""
    photo = load_sample_image(name) / 255
    return np.array(
        [
            [photo[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in range(320)]
            for i in range(213)
        ]
    )


def test_crops_are_squares_of_the_photographs_by_turns():
    crops = photo_crops(3, side=20, rng=np.random.default_rng(0))
    photos = {name: halved(name) for name in ("china.jpg", "flower.jpg")}
    places = []
    for crop, name in zip(crops, ("china.jpg", "flower.jpg", "china.jpg"), strict=True):
        square, photo = crop.colours.numpy().reshape(20, 20, 3), photos[name]
        corners = np.abs(photo[:194, :301] - square[0, 0]).max(axis=2) < 1e-4
        found = [
            (i, j)
            for i, j in np.argwhere(corners).tolist()
            if np.abs(photo[i : i + 20, j : j + 20] - square).max() < 1e-4
        ]
        assert len(found) == 1
        places += found
    assert len(set(places)) == 3


def test_known_and_held_out_pixels_share_none():
    (crop,) = photo_crops(1, side=40, held=0.25, rng=np.random.default_rng(1))
    at, colours = crop.held_out()
    assert 0.2 < len(at) / 1600 < 0.3
    assert len(at) + int(crop.known.sum()) == 1600
    seen, shades = crop.batch(5000, rng=np.random.default_rng(2))
    rows = {tuple(p): k for k, p in enumerate(crop.at.tolist())}
    drawn = [rows[tuple(p)] for p in seen.tolist()]
    assert crop.known[drawn].all()
    assert torch.equal(shades, crop.colours[drawn])
    assert not {tuple(p) for p in at.tolist()} & {tuple(p) for p in seen.tolist()}
    assert torch.equal(colours, crop.colours[[rows[tuple(p)] for p in at.tolist()]])


def test_the_grid_runs_row_by_row():
    grid = pixel_grid(3)
    assert grid[1].tolist() == [-1.0, 0.0]
    assert grid[3].tolist() == [0.0, -1.0]
    assert grid[-1].tolist() == [1.0, 1.0]


def test_refusals():
    with pytest.raises(ValueError, match="photo_crops: side must be 1 to 213, got 214"):
        photo_crops(1, side=214, rng=np.random.default_rng(0))
