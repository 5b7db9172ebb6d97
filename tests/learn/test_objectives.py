"""Objectives of representation learning against closed forms, slow versions and other measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.learn.info_nce import info_nce
from inscape.learn.isotropy_penalty import agreement_and_isotropy, isotropy_penalty
from inscape.learn.von_neumann_entropy import i_vne, von_neumann_entropy, with_entropy
from inscape.shape.entropy_rank import entropy_rank


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_the_density_matrix(h: torch.Tensor) -> float:
    """The definition, by the eigenvalues of C."""
    z = h.numpy() / np.linalg.norm(h.numpy(), axis=1, keepdims=True)
    values = np.linalg.eigvalsh(z.T @ z / len(z))
    values = values[values > 1e-12]
    return float(-(values * np.log(values)).sum())


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 12), d=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_entropy_is_that_of_the_density_matrix_and_has_its_symmetries(n, d, seed):
    h = rows(n, d, seed)
    found = float(von_neumann_entropy(h))
    assert found == pytest.approx(by_the_density_matrix(h), abs=1e-9)
    assert -1e-12 <= found <= math.log(min(n, d)) + 1e-12
    rotation = torch.linalg.qr(rows(d, d, seed + 1))[0]
    lengths = torch.linspace(0.5, 3, n, dtype=torch.float64)[:, None]
    same = float(von_neumann_entropy(lengths * h @ rotation))
    assert same == pytest.approx(found, abs=1e-9)


def test_the_poles_of_entropy():
    assert float(von_neumann_entropy(torch.eye(5))) == pytest.approx(math.log(5), rel=1e-6)
    assert float(von_neumann_entropy(torch.ones(7, 3))) == pytest.approx(0.0, abs=1e-6)
    # a plane, evenly filled
    angles = torch.arange(8) * torch.pi / 4
    circle = torch.stack([angles.cos(), angles.sin(), torch.zeros(8)], 1)
    assert float(von_neumann_entropy(circle)) == pytest.approx(math.log(2), rel=1e-6)


def test_a_loss_falls_by_the_strength_times_the_entropy():
    h, loss = rows(12, 5).requires_grad_(), torch.tensor(3.0, dtype=torch.float64)
    entropy = float(von_neumann_entropy(h.detach()))
    for strength in (0.5, -0.5):
        found = with_entropy(loss, h, strength)
        assert found.item() == pytest.approx(3 - strength * entropy)
        step = torch.autograd.grad(found, h)[0]
        moved = float(von_neumann_entropy((h - 0.01 * step).detach())) - entropy
        assert moved * strength > 0  # a step down the loss moves the entropy to that side
    assert with_entropy(loss, h, 0.0) is loss


def test_rows_and_their_mirror_images_have_the_entropy_rank_of_shape():
    h = rows(30, 6)
    h = h / h.norm(dim=1, keepdim=True)
    mirrored = torch.cat([h, -h])  # centred, so that variances are eigenvalues of C
    assert math.exp(von_neumann_entropy(mirrored)) == pytest.approx(entropy_rank(mirrored.numpy()))


def test_its_gradient_is_right_and_finite_where_eigenvalues_are_zero():
    h = rows(6, 4).requires_grad_()
    assert torch.autograd.gradcheck(von_neumann_entropy, h)
    flat = torch.ones(6, 4, requires_grad=True)
    von_neumann_entropy(flat).backward()
    assert torch.isfinite(flat.grad).all()


def test_steps_up_its_gradient_spread_the_eigenvalues():
    h = (rows(20, 6) * torch.tensor([5.0, 1, 0.5, 0.2, 0.1, 0.1])).requires_grad_()
    before = float(von_neumann_entropy(h.detach()))
    for _ in range(200):
        (gradient,) = torch.autograd.grad(von_neumann_entropy(h), h)
        with torch.no_grad():
            h += gradient
    assert before < 1.0
    assert float(von_neumann_entropy(h.detach())) > 0.9 * math.log(6)


def test_views_that_agree_and_spread_have_the_least_loss():
    n = 6
    eye = torch.eye(n)
    assert float(i_vne(eye, eye)) == pytest.approx(-2 * math.log(n), rel=1e-5)
    assert float(i_vne(eye, eye, align=3.0, spread=0.5)) == pytest.approx(-3 - 0.5 * math.log(n))
    # collapsed views agree as well, and without the entropy nothing speaks against them
    flat = torch.ones(n, n)
    alone = float(i_vne(eye, eye, spread=0.0))
    assert float(i_vne(flat, flat, spread=0.0)) == pytest.approx(alone, rel=1e-5)
    assert float(i_vne(flat, flat)) > float(i_vne(eye, eye)) + 1
    assert float(i_vne(eye, eye.roll(1, 0))) > float(i_vne(eye, eye)) + 1


def test_the_contrastive_loss_is_its_double_loop():
    a, b = rows(5, 4), rows(5, 4, 1)
    z = [x / x.norm() for x in [*a, *b]]
    losses = []
    for i in range(10):
        other = (i + 5) % 10
        scores = [float(z[i] @ z[k]) / 0.3 for k in range(10) if k != i]
        losses.append(math.log(sum(map(math.exp, scores))) - float(z[i] @ z[other]) / 0.3)
    assert float(info_nce(a, b, temperature=0.3)) == pytest.approx(np.mean(losses))
    assert float(info_nce(a, a)) < float(info_nce(a, b))


def test_the_penalty_is_zero_on_a_sphere_and_largest_on_a_line():
    assert float(isotropy_penalty(torch.eye(5))) == pytest.approx(0.0, abs=1e-7)
    assert float(isotropy_penalty(torch.ones(3, 5))) == pytest.approx(1 - 1 / 5)
    h = rows(8, 3)
    z = h.numpy() / np.linalg.norm(h.numpy(), axis=1, keepdims=True)
    slow = np.linalg.norm(z.T @ z / 8 - np.eye(3) / 3, "fro") ** 2
    assert float(isotropy_penalty(h)) == pytest.approx(slow)


def test_refusals():
    with pytest.raises(ValueError, match="h has no rows"):
        von_neumann_entropy(torch.zeros(0, 3))


def test_agreement_and_isotropy_is_the_sum_of_both():
    a, b = rows(12, 5), rows(12, 5, 1)
    penalty = (isotropy_penalty(a) + isotropy_penalty(b)) / 2
    agreement = i_vne(a, b, spread=0.0)
    assert penalty > 0.01
    assert agreement_and_isotropy(a, b, 0.0) == agreement
    assert float(agreement_and_isotropy(a, b, 3.0)) == pytest.approx(float(agreement + 3 * penalty))


@pytest.mark.parametrize("temperature", [0.0, -0.5, float("nan")])
def test_a_contrast_needs_a_positive_temperature(temperature):
    a = torch.eye(3)
    with pytest.raises(ValueError, match="temperature be positive"):
        info_nce(a, a, temperature)


def test_no_rows_have_no_isotropy():
    with pytest.raises(ValueError, match="isotropy_penalty: h has no rows"):
        isotropy_penalty(torch.zeros(0, 4))
