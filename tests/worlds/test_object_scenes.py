"""Object scenes: masks are of the shapes that are seen, and matched cells of two crops show one
place.
"""

from __future__ import annotations

import numpy as np
import torch

from inscape.worlds.object_scenes import CELL, CLASSES, GRID, SCENE, crop_pairs, object_scenes


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_scene_of_one_object_has_its_mask_and_one_of_three_hides_none_of_the_last():
    made = object_scenes(60, 1, rng=rng())
    assert made.images.shape == (60, 3, SCENE, SCENE)
    own = made.shapes[:, None, None] + 1
    assert ((made.masks == 0) | (made.masks == own)).all()
    area = (made.masks > 0).float().mean((1, 2))
    assert 0.01 < area.min() < area.max() < 0.2
    several = object_scenes(200, 3, rng=rng(1))
    assert set(several.masks.unique().tolist()) == set(range(CLASSES))
    assert (several.masks > 0).float().mean() > 1.5 * (made.masks > 0).float().mean()
    assert (several.masks == several.shapes[:, None, None] + 1).any(dim=(1, 2)).all()


def test_a_scene_is_bright_where_its_mask_is():
    made = object_scenes(100, 1, rng=rng())
    brightest = made.images.amax(1)
    assert brightest[made.masks > 0].mean() > brightest[made.masks == 0].mean() + 0.3


def test_matched_cells_show_the_same_place_and_random_ones_do_not():
    # a scene whose value is the number of the cell, so that a crop says where it was cut
    cells = SCENE // CELL
    number = torch.arange(cells**2).reshape(cells, cells).float() + 1
    images = number.repeat_interleave(CELL, 0).repeat_interleave(CELL, 1).expand(40, 3, -1, -1)
    made = crop_pairs(images * 1000, 5, rng=rng())
    seen = []
    for crop, index in zip(made.crops, made.cells, strict=True):
        means = torch.nn.functional.avg_pool2d(crop, CELL)
        gains = torch.log(means).flatten(2)
        taken = gains.gather(2, index[:, None].expand(-1, 3, -1))
        # gains of a channel are one constant a crop, so differences of cells are those of places
        seen.append(taken - taken[:, :, :1])
    assert torch.allclose(seen[0], seen[1], atol=1e-3)
    assert (made.anywhere != made.cells[1]).float().mean() > 0.8
    for index in (*made.cells, made.anywhere):
        assert index.min() >= 0
        assert index.max() < GRID**2
    # both crops show cells near the middle, and the offsets differ
    assert not torch.equal(*made.cells)
