"""Clamp and rotate: what they hold, what they leave alone, inside a network as outside."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inscape.control.clamp import Clamp
from inscape.control.rotate import Rotate, rotation
from inscape.core.edit import Scope, SetComponent
from inscape.model.model import Model
from tests.model import nets

AT = Scope("resid_post.1")
H = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
D = torch.tensor([1.0, -2.0, 0.5, 0.0, 1.0, 3.0]).double()


def test_a_clamp_moves_only_what_is_outside_and_only_along_its_direction():
    unit = D / D.norm()
    along = H @ unit
    assert along.min() < -0.5
    assert along.max() > 0.5
    out = Clamp(AT, D, -0.5, 0.5).apply(H)
    assert torch.allclose(out @ unit, along.clamp(-0.5, 0.5))
    inside = along.abs() <= 0.5
    assert torch.equal(out[inside], H[inside])
    rest = lambda h: h - (h @ unit)[:, None] * unit  # noqa: E731
    assert torch.allclose(rest(out), rest(H))
    held = Clamp(AT, D, 1.5, 1.5).apply(H)
    assert torch.allclose(held, SetComponent(AT, unit[None], torch.tensor([1.5]).double()).apply(H))
    assert (Clamp(AT, D, low=0.0).apply(H) @ unit).min() > -1e-12


@given(st.floats(-7, 7), st.booleans())
def test_a_rotation_keeps_norms_and_what_is_outside_the_plane(angle, to):
    turn = rotation(AT, D, torch.ones(6).double(), angle, to)
    out = turn.apply(H)
    assert torch.allclose(out.norm(dim=1), H.norm(dim=1))
    outside = torch.eye(6).double() - turn.plane.T @ turn.plane
    assert torch.allclose(out @ outside, H @ outside, atol=1e-12)
    back = Rotate(AT, turn.plane, -angle).apply(Rotate(AT, turn.plane, angle).apply(H))
    assert torch.allclose(back, H)


def test_angles_count_from_the_concept():
    turn = rotation(AT, D, torch.ones(6).double(), 0.0, to=True)
    unit = D / D.norm()
    assert torch.allclose(turn.plane[0], unit)
    inside = (H @ turn.plane.T).norm(dim=1)
    assert (H @ unit - inside).abs().max() > 0.5
    assert torch.allclose(turn.apply(H) @ unit, inside)
    gone = Rotate(AT, turn.plane, math.pi / 2, to=True).apply(H)
    assert (gone @ unit).abs().max() < 1e-12
    assert torch.allclose(Rotate(AT, turn.plane, math.pi, to=True).apply(H) @ unit, -inside)


def test_both_act_inside_a_network():
    model = Model(nets.net("llama"))
    ids, d = {"input_ids": torch.tensor([[5, 9, 17]])}, torch.linspace(-1, 1, nets.D)
    plain = model.run(ids, "resid_post.1")["resid_post.1"]
    found = model.run(ids, "resid_post.1", edits=Clamp(AT, d, 2.0, 2.0))["resid_post.1"]
    assert torch.allclose(found @ d / d.norm(), torch.full((1, 3), 2.0), atol=1e-5)
    assert not torch.allclose(found, plain)
    turned = model.run(ids, "resid_post.1", edits=rotation(AT, d, torch.ones(nets.D), 1.0))[
        "resid_post.1"
    ]
    assert torch.allclose(turned.norm(dim=-1), plain.norm(dim=-1), atol=1e-4)
    assert not torch.allclose(turned, plain)


def test_directions_may_be_arrays_and_whole_numbers():
    one, two = torch.tensor([3.0, 0, 4, 0]), torch.tensor([0.0, 2, 1, 0])
    h = torch.randn(5, 4)
    expected = rotation(AT, one, two, 0.7).apply(h)
    for made in (
        rotation(AT, one.numpy(), two.numpy(), 0.7),
        rotation(AT, one.long(), two.long(), 0.7),
        rotation(AT, one.tolist(), two.tolist(), 0.7),
    ):
        torch.testing.assert_close(made.apply(h), expected)
    clamped = Clamp(AT, one, 1.0, 2.0).apply(h)
    torch.testing.assert_close(Clamp(AT, [3, 0, 4, 0], 1.0, 2.0).apply(h), clamped)


def test_refusals():
    with pytest.raises(ValueError, match="direction holds NaN"):
        Clamp(Scope("embed"), torch.tensor([math.nan, 1.0]))
    for direction in (torch.zeros(3), torch.ones(2, 3)):
        with pytest.raises(ValueError, match="direction must be one vector"):
            Clamp(AT, direction)
    for low, high in ((1.0, 0.0), (math.inf, math.inf), (-math.inf, -math.inf)):
        with pytest.raises(ValueError, match="low must be at most high"):
            Clamp(AT, torch.ones(3), low, high)
    with pytest.raises(ValueError, match=r"plane must be \(2, d\)"):
        Rotate(AT, torch.ones(2, 3))
    with pytest.raises(ValueError, match="angle must be a number"):
        Rotate(AT, torch.eye(3)[:2], math.nan)
    for other in (2 * D, torch.zeros(6).double()):
        with pytest.raises(ValueError, match="span no plane"):
            rotation(AT, D, other, 1.0)
