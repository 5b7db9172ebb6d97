"""Whitened components: one affine map, unit variance, and the directions of most variance."""

from __future__ import annotations

import torch
from sklearn.decomposition import PCA

from inscape.core.whitened_components import whitened_components


def features() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(50, 4, 70) * torch.arange(1, 71) + 3, torch.randn(9, 4, 70)


def test_whitening_is_one_affine_map_and_leaves_unit_variance():
    seen, new = features()
    white, other = whitened_components(seen, new, 64)
    flat = white.flatten(0, 1)
    assert torch.allclose(flat.T @ flat / len(flat), torch.eye(64), atol=1e-3)
    assert flat.mean(dim=0).abs().max() < 1e-3
    middle = whitened_components(seen, (new[:4] + new[4:8]) / 2, 64)[1]
    assert torch.allclose(middle, (other[:4] + other[4:8]) / 2, atol=1e-4)


def test_components_are_those_of_pca_up_to_sign():
    seen, new = (x.double().flatten(0, 1) for x in features())
    slow = PCA(5, whiten=True).fit(seen.numpy())
    scale = (len(seen) / (len(seen) - 1)) ** 0.5  # n there, n − 1 here
    for found, rows in zip(whitened_components(seen, new, 5), (seen, new), strict=True):
        expected = torch.from_numpy(slow.transform(rows.numpy())) * scale
        assert torch.allclose(found.abs(), expected.abs(), atol=1e-6)
