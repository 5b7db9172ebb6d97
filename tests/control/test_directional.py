"""Mean ablation and directional patching: what they set, what they leave, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.directional import directional_patch, mean_ablation


def test_mean_ablation_sets_the_unit_coordinate_and_nothing_else():
    rng = np.random.default_rng(0)
    h, d = torch.from_numpy(rng.normal(size=(2, 5, 8))), rng.normal(size=8) * 3
    (edit,) = mean_ablation(["resid_post.0"], d[None], np.array([0.7]))
    after, u = edit.apply(h), torch.from_numpy(d / np.linalg.norm(d))
    assert (h @ u).std() > 0.1
    assert torch.allclose(after @ u, torch.full((2, 5), 0.7, dtype=h.dtype), atol=1e-6)
    across = torch.eye(8) - torch.outer(u, u)
    assert torch.allclose(after @ across, h @ across)


def test_patching_gives_each_example_its_partners_coordinate_at_the_same_token():
    rng = np.random.default_rng(1)
    h = torch.from_numpy(rng.normal(size=(2, 4, 6))).float()
    d = rng.normal(size=(2, 6))
    partners = [
        rng.normal(size=(4, 2)),
        rng.normal(size=(3, 2)),
    ]  # the second example is shorter; its padding is free
    edits = directional_patch(["resid_post.0", "resid_post.1"], d, partners, "mark:punctuation")
    assert [e.scope.positions for e in edits] == ["mark:punctuation"] * 2
    for s, edit in enumerate(edits):
        along = edit.apply(h) @ torch.from_numpy(d[s] / np.linalg.norm(d[s])).float()
        assert np.allclose(along[0], partners[0][:, s], atol=1e-5)
        assert np.allclose(along[1, :3], partners[1][:, s], atol=1e-5)


def test_patching_with_ones_own_coordinate_changes_nothing():
    h, d = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0)), np.eye(5)[:1]
    (edit,) = directional_patch(["embed"], d, [h[0, :, :1].numpy()])
    assert torch.allclose(edit.apply(h), h)


def test_refusals():
    with pytest.raises(
        ValueError,
        match="mean_ablation: directions must be one non-zero row for each of the 1 sites",
    ):
        mean_ablation(["embed"], np.zeros((1, 4)), np.zeros(1))
    with pytest.raises(
        ValueError,
        match="directional_patch: directions must be one non-zero row for each of the 2 sites",
    ):
        directional_patch(["embed", "resid_post.0"], np.ones((1, 4)), [])


def test_means_and_partners_are_one_for_each_site():
    with pytest.raises(ValueError, match="means must be one for each of the 2 sites"):
        mean_ablation(["embed", "resid_post.0"], np.eye(2), np.ones(1))
    for partner in (np.ones((4, 1)), np.ones((4, 3))):
        with pytest.raises(ValueError, match=r"partners must be \(tokens, sites\) with 2 sites"):
            directional_patch(["embed", "resid_post.0"], np.eye(2), [partner])
