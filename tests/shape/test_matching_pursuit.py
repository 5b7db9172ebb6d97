"""Matching pursuit: against a slow version, and where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.shape import pursuit_error


def slowly(point, atoms, most):
    """One point at a time: the atom most along the residual, then least squares on all chosen."""
    unit, chosen, residual = atoms / np.linalg.norm(atoms, axis=1, keepdims=True), [], point
    for _ in range(most):
        chosen.append(int(np.abs(unit @ residual).argmax()))
        weights = np.linalg.lstsq(unit[chosen].T, point, rcond=None)[0]
        residual = point - weights @ unit[chosen]
    return (residual**2).sum()


def test_as_one_point_at_a_time():
    rng = np.random.default_rng(0)
    z, atoms = rng.normal(size=(20, 8)), rng.normal(size=(12, 8)) * rng.uniform(0.1, 9, (12, 1))
    for most in (1, 3, 5):
        wanted = [slowly(point, atoms, most) for point in z]
        found = pursuit_error(torch.from_numpy(z), torch.from_numpy(atoms), most)
        np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_orthogonal_atoms_leave_the_smallest_coordinates():
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    z = np.array([[5.0, -4.0, 3.0, 2.0, 1.0, 0.5]]) @ turn
    found = pursuit_error(torch.from_numpy(z), torch.from_numpy(turn), 3)
    np.testing.assert_allclose(found, [4 + 1 + 0.25])


def test_points_made_of_few_atoms_are_rebuilt_and_others_are_not():
    rng = np.random.default_rng(2)
    atoms = rng.normal(size=(3, 10))
    made, other = rng.normal(size=(30, 3)) @ atoms, rng.normal(size=(30, 10))
    assert pursuit_error(torch.from_numpy(made), torch.from_numpy(atoms), 4).max() < 1e-20
    assert pursuit_error(torch.from_numpy(other), torch.from_numpy(atoms), 4).min() > 0.1


def test_a_point_at_right_angles_to_all_atoms_is_lost_whole():
    found = pursuit_error(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.0]]), 4)
    np.testing.assert_allclose(found, [16, 1])


@pytest.mark.parametrize(
    ("atoms", "most"), [(torch.zeros(1, 2), 1), (torch.ones(0, 2), 1), (torch.eye(2), 0)]
)
def test_refusals(atoms, most):
    with pytest.raises(ValueError, match="pursuit_error: needs atoms that are not zero"):
        pursuit_error(torch.ones(1, 2), atoms, most)
