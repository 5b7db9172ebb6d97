"""The contrastive objective of cells: against the objective of pictures, and against a loop."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from inscape.learn.dense_info_nce import at_cells, dense_info_nce, nearest_cells


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow(q: torch.Tensor, k: torch.Tensor, temperature: float, pictures: int) -> torch.Tensor:
    n, m, _ = q.shape
    terms = []
    for i in range(n):
        others = torch.cat([k[(i + step) % n] for step in range(1, pictures + 1)])
        for c in range(m):
            own = F.cosine_similarity(q[i, c], k[i, c], dim=0) / temperature
            rest = F.cosine_similarity(q[i, c][None], others) / temperature
            terms.append(torch.logsumexp(torch.cat([own[None], rest]), 0) - own)
    return torch.stack(terms).mean()


@pytest.mark.parametrize("pictures", [1, 3, 4])
def test_it_is_the_loop_over_cells(pictures):
    q, k = drawn(5, 3, 4), drawn(5, 3, 4, seed=1)
    assert torch.allclose(dense_info_nce(q, k, 0.3, pictures), slow(q, k, 0.3, pictures))
    assert torch.equal(dense_info_nce(q, k, 0.3), dense_info_nce(q, k, 0.3, 4))


def test_cells_of_the_same_picture_are_no_negatives():
    q = drawn(4, 3, 6)
    twice = torch.cat([q, q[:, :1]], dim=1)  # the same cell once more
    one, both = (dense_info_nce(x[:, :1], x[:, :1], 0.2) for x in (q, twice))
    assert torch.equal(one, both)
    alike = q[:, :1].expand(-1, 3, -1)
    # all cells of a picture alike: the positive is as near as it can be, whatever the others of the
    # picture
    far = dense_info_nce(
        torch.eye(4)[:, None].expand(-1, 3, -1), torch.eye(4)[:, None].expand(-1, 3, -1), 0.05
    )
    assert far < 1e-6
    assert dense_info_nce(alike, alike.flip(0), 0.2) > dense_info_nce(alike, alike, 0.2)


def test_cells_are_numbered_row_by_row_and_the_nearest_is_found():
    grid = drawn(2, 5, 3, 4)
    cells = torch.tensor([[0, 7], [11, 4]])
    taken = at_cells(grid, cells)
    assert torch.equal(taken[0, 1], grid[0, :, 1, 3])
    assert torch.equal(taken[1, 0], grid[1, :, 2, 3])
    assert torch.equal(nearest_cells(3 * taken, grid), cells)


@pytest.mark.parametrize("pictures", [0, 4])
def test_negatives_come_from_pictures_that_are_there(pictures):
    q = drawn(4, 1, 2)
    with pytest.raises(ValueError, match=f"{pictures} pictures of negatives were asked of 4"):
        dense_info_nce(q, q, 0.2, pictures)


def test_dense_contrasts_need_a_positive_temperature():
    x = torch.ones(3, 2, 4)
    with pytest.raises(ValueError, match="dense_info_nce: temperature must be positive, got -0.2"):
        dense_info_nce(x, x, -0.2)
