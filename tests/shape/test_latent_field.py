"""Trajectories: of maps whose fixed points are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.shape.latent_field import attractors, follow, spectral_radius


def two_wells(z):
    """Fixed points at −1, 0 and 1 of each coordinate; 0 repels."""
    return z + 0.2 * (z - z**3)


def test_points_end_in_the_well_on_their_side():
    z = torch.tensor([[0.3], [-0.2], [2.0], [0.0]])
    found = follow(two_wells, z)
    torch.testing.assert_close(
        found.ends[:, 0], torch.tensor([1.0, -1.0, 1.0, 0.0]), atol=1e-4, rtol=0
    )
    assert (found.speed < 1e-5).all()
    assert torch.equal(found.path[0], z)


def test_a_rotation_never_ends():
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    found = follow(lambda z: z @ turn, torch.ones(3, 2), 50, keep=5)
    assert (found.speed > 1).all()
    assert found.path.shape == (5, 3, 2)
    torch.testing.assert_close(found.path[4], found.path[0])


def test_a_path_is_as_far_as_its_points_are_on_average():
    found = follow(lambda z: z / 2, torch.tensor([[8.0, 0.0], [0.0, 0.0]]), keep=3)
    places = torch.tensor([[0.0, 0.0], [7.0, 0.0]])
    # 8 is 1 from the second place, 4 is 3 from it, 2 is 2 from the first
    torch.testing.assert_close(found.distance_to(places), torch.tensor([2.0, 0.0]))


def test_a_path_that_has_ended_stays():
    found = follow(lambda z: 0 * z, torch.ones(2, 2), keep=6)
    assert found.path.shape == (6, 2, 2)
    assert found.path[1:].abs().max() == 0


def test_ends_within_a_radius_are_one_attractor():
    ends = torch.tensor([[0.0, 0.0], [0.01, 0.0], [1.0, 1.0], [0.02, 0.0]])
    means, codes = attractors(ends, 0.1)
    assert len(means) == 2
    assert codes[0] == codes[1] == codes[3] != codes[2]
    torch.testing.assert_close(means[codes[0]], torch.tensor([0.01, 0.0]))
    assert len(attractors(ends, 0.001)[0]) == 4
    assert len(attractors(ends[:1], 0.1)[0]) == 1


def test_wells_attract_and_the_ridge_repels():
    radius = spectral_radius(two_wells, torch.tensor([[1.0], [0.0]]))
    np.testing.assert_allclose(radius, [0.6, 1.2], atol=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="follow: steps and keep must be at least 1"):
        follow(two_wells, torch.ones(1, 1), 0)
    with pytest.raises(ValueError, match="attractors: needs ends and a radius above 0"):
        attractors(torch.ones(2, 2), 0.0)
