"""Alignment: maps invert exactly, the planted variable is found by the map that can, and not by one
that cannot.
"""

from __future__ import annotations

import pytest
import torch

from inscape.control.alignment_maps import BoundlessMap, RevNetMap, RotationMap, SubsetMap
from inscape.control.alignment_search import Interchange, align, inversion_error, noop, right

D = 6


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def world(mixed: bool, bent: bool = False, seed: int = 0):
    """h holds two bits in planes of its own; the answer is a function of both; the variable is the
    first bit.
    """
    g = stream(seed)
    mix = torch.linalg.qr(torch.randn(D, D, generator=g)).Q if mixed else torch.eye(D)

    def encode(bits):
        noise = 0.3 * torch.randn(len(bits), D - 2, generator=g)
        values = torch.cat([2.0 * bits - 1, noise], 1)
        if bent:
            values = torch.cat(
                [values[:, :1] * (1.5 + torch.sin(3 * values[:, 2:3])), values[:, 1:]], 1
            )
        return values @ mix.T

    def finish(h, _rows):
        values = h @ mix
        first, second = values[:, 0], values[:, 1]
        both = torch.stack([-first - second, first - second, second - first, first + second], 1)
        return 3 * both

    base, source = (torch.randint(2, (600, 2), generator=g).float() for _ in range(2))
    answer = (source[:, 0] + 2 * base[:, 1]).long()
    pairs = Interchange(encode(base), encode(source), answer)
    return Interchange(*(x[:400] for x in pairs)), Interchange(*(x[400:] for x in pairs)), finish


@pytest.mark.parametrize("kind", [SubsetMap, RotationMap, BoundlessMap, RevNetMap])
def test_maps_are_bijections_before_and_after_training(kind):
    train, test, finish = world(mixed=True)
    phi = kind(D, 1, stream())
    assert inversion_error(phi.eval(), test.base) < 1e-4
    losses = align(phi, train, finish, steps=30, generator=stream(1))
    assert losses[-1] < losses[0]
    assert inversion_error(phi, test.base) < 1e-4
    assert noop(phi, test.base, finish) == 1.0
    assert not phi.training


def test_a_rotation_finds_what_is_mixed_and_a_subset_cannot():
    train, test, finish = world(mixed=True)
    accuracy = {}
    for kind in (SubsetMap, RotationMap, BoundlessMap):
        phi = kind(D, 1, stream())
        before = float(right(phi.eval(), test, finish).mean())
        align(phi, train, finish, steps=300, lr=0.02, generator=stream(1))
        accuracy[kind] = (before, float(right(phi, test, finish).mean()))
    assert accuracy[RotationMap][1] > 0.97 > 0.8 > accuracy[RotationMap][0]
    assert accuracy[BoundlessMap][1] > 0.9
    assert accuracy[SubsetMap][1] < 0.85
    plain, held, finish = world(mixed=False)
    phi = SubsetMap(D, 1, stream())
    align(phi, plain, finish, steps=200, lr=0.02, generator=stream(1))
    assert float(right(phi, held, finish).mean()) > 0.97
    assert phi.mask().tolist() == [1, 0, 0, 0, 0, 0]


def test_a_flow_without_couplings_is_a_rotation_and_with_them_bends():
    h = torch.randn(8, D, generator=stream(3))
    straight, bent = (RevNetMap(D, 2, stream(), pairs=p).eval() for p in (0, 3))
    with torch.no_grad():
        assert torch.allclose(straight(h).norm(dim=1), h.norm(dim=1), atol=1e-4)
        assert torch.allclose(straight(-h), -straight(h), atol=1e-4)
        assert not torch.allclose(bent(-h), -bent(h), atol=1e-2)


def test_an_interchange_takes_the_variable_and_nothing_else():
    base, source = torch.randn(2, 5, D, generator=stream(4))
    phi = RotationMap(D, 2, stream()).eval()
    with torch.no_grad():
        z = phi(phi.interchange(base, source))
        assert torch.allclose(z[:, :2], phi(source)[:, :2], atol=1e-5)
        assert torch.allclose(z[:, 2:], phi(base)[:, 2:], atol=1e-5)


def test_refusals():
    with pytest.raises(ValueError, match="RotationMap: variable must be 1 to 6 coordinates, got 0"):
        RotationMap(D, 0, stream())
    with pytest.raises(ValueError, match="RevNetMap: a coupling needs a width of at least 2"):
        RevNetMap(1, 1, stream())
    with pytest.raises(ValueError, match="2 bases, 2 sources and 0 answers"):
        none = Interchange(torch.zeros(2, D), torch.zeros(2, D), torch.zeros(0, dtype=torch.long))
        align(RotationMap(D, 1, stream()), none, lambda h, _: h, generator=stream())
