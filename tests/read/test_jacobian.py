"""Batched Jacobians against a loop of one backward pass a row."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inscape.read.jacobian import jacobian


def network(seed):
    stream = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(s, generator=stream, dtype=torch.float64) for s in ((7, 5), (5, 4)))
    x, z = (
        torch.randn(s, generator=stream, dtype=torch.float64).requires_grad_()
        for s in ((3, 4), (5,))
    )
    return torch.tanh(a @ ((b @ x.T).sin().sum(1) * z)), x, z


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 9))
def test_same_as_a_loop_for_any_chunk(seed, chunk):
    y, x, z = network(seed)
    found = jacobian(y, [x, z], chunk=chunk)
    slow = [torch.autograd.grad(y[i], [x, z], retain_graph=True) for i in range(len(y))]
    for k, j in enumerate(found):
        assert torch.allclose(j, torch.stack([row[k] for row in slow]), atol=1e-12)
        assert not j.requires_grad


def test_directions_are_rows_of_the_whole_and_a_linear_map_is_its_own_jacobian():
    y, x, _ = network(1)
    u = torch.randn(2, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(
        jacobian(y, [x], directions=u)[0], torch.einsum("mk,kab->mab", u, jacobian(y, [x])[0])
    )
    w = torch.randn(4, 3)
    v = torch.zeros(3, requires_grad=True)
    assert torch.allclose(jacobian(w @ v, [v])[0], w)
    assert not torch.allclose(jacobian((w @ v).exp(), [v])[0], 2 * w)


def test_refusals():
    x = torch.zeros(3, requires_grad=True)
    with pytest.raises(ValueError, match="does not depend on input 1"):
        jacobian(2 * x, [x, torch.zeros(2, requires_grad=True)])
    with pytest.raises(ValueError, match="not in a graph"):
        jacobian(torch.zeros(3), [x])
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        jacobian(2 * x, [x], chunk=0)
