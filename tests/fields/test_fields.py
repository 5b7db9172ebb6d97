"""Fields, composed weights and errors, against loops and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from inscape.fields.checked_folding import CheckedFolding
from inscape.fields.field import Field, he_linear
from inscape.fields.fourier_linear import FourierLinear, folded, fourier_basis
from inscape.fields.frequency_error import frequency_error
from inscape.fields.psnr import psnr


def test_the_basis_is_that_of_the_paper_row_by_row():
    f, p, n = 3, 4, 10
    rows = []
    for omega in [1 / 3, 2 / 3, 1, 1, 2, 3]:
        for j in range(p):
            points = np.linspace(-math.pi * f, math.pi * f, n)
            rows.append([math.cos(omega * t + 2 * math.pi * j / p) for t in points])
    assert np.allclose(fourier_basis(n, f, p).numpy(), rows)


@pytest.mark.parametrize("random", [False, True])
def test_composed_weights_begin_with_the_variance_of_he_and_the_scale_drops_out(random):
    for scale in (0.05, 2.0):
        torch.manual_seed(0)
        layer = FourierLinear(64, 4000, 8, 4, scale, random)
        assert layer.weight.shape == (4000, 64)
        assert float(layer.weight.detach().var()) == pytest.approx(2 / 64, rel=0.03)
        assert not layer.bias.any()
    plain = he_linear(64, 4000)
    assert float(plain.weight.detach().var()) == pytest.approx(2 / 64, rel=0.03)


def test_a_random_basis_keeps_the_norms_and_loses_the_frequencies():
    fourier, random = FourierLinear(64, 2, 8, 4), FourierLinear(64, 2, 8, 4, random=True)
    assert torch.allclose(fourier.basis.norm(dim=1), random.basis.norm(dim=1), rtol=1e-5)

    def peak(basis):
        power = torch.fft.rfft(basis, dim=1).abs() ** 2
        return (power.max(dim=1).values / power.sum(dim=1)).mean()

    assert peak(fourier.basis) > 2 * peak(random.basis)
    assert [name for name, _ in fourier.named_parameters()] == ["coefficients", "bias"]


def test_a_step_moves_the_weights_by_the_gradient_through_the_basis():
    layer, x = FourierLinear(16, 5, 4, 2), torch.randn(7, 16)
    plain = layer.fold()
    before = layer.weight.detach()
    layer(x).square().sum().backward()
    plain(x).square().sum().backward()
    with torch.no_grad():
        layer.coefficients -= 0.1 * layer.coefficients.grad
    moved = layer.weight.detach() - before
    expected = -0.1 * plain.weight.grad @ layer.basis.T @ layer.basis
    assert torch.allclose(moved, expected, atol=1e-5)
    assert float(expected.abs().max()) > 1e-3


def test_a_folded_network_is_the_same_function_and_plain():
    net = Field(2, 3, width=16, linear=lambda i, o: FourierLinear(i, o, 4, 2))
    flat, x = folded(net), torch.rand(20, 2)
    assert torch.allclose(net(x), flat(x), atol=1e-5)
    assert not any(isinstance(m, FourierLinear) for m in flat.modules())
    assert any(isinstance(m, FourierLinear) for m in net.modules())
    count = sum(p.numel() for p in flat.parameters())
    assert count == sum(p.numel() for p in Field(2, 3, width=16).parameters())


def test_a_folding_that_is_checked_keeps_the_largest_difference(monkeypatch):
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    net = Field(2, width=8, linear=FourierLinear)
    folding = CheckedFolding(x)
    assert folding.gap == 0
    assert torch.allclose(folding(net)(x), net(x), atol=1e-5)
    assert folding.gap < 1e-5

    def wrong(net):
        made = folded(net)
        made.last.bias.data += 0.5
        return made

    monkeypatch.setattr("inscape.fields.checked_folding.folded", wrong)
    folding(net)
    assert folding.gap == pytest.approx(0.5, abs=1e-5)
    monkeypatch.undo()
    folding(net)
    assert folding.gap == pytest.approx(0.5, abs=1e-5)


def test_the_encoding_is_the_coordinate_with_octaves_of_waves():
    x = torch.tensor([[0.25, -0.5]])
    found = Field(2, octaves=2).encode(x)[0].tolist()
    expected = [0.25, -0.5]
    for i in range(2):
        expected += [math.sin(2**i * math.pi * c) for c in (0.25, -0.5)]
        expected += [math.cos(2**i * math.pi * c) for c in (0.25, -0.5)]
    assert found == pytest.approx(expected, abs=1e-6)
    assert torch.equal(Field(2).encode(x), x)


def test_a_field_learns_a_line_and_has_as_many_hidden_layers_as_asked():
    net = Field(1, width=8, hidden=2)
    assert len(net.hidden) == 2
    weights = [net.first, *net.hidden, net.last]
    x = torch.linspace(-1, 1, 9)[:, None]
    h = x
    for layer in weights[:-1]:
        h = torch.relu(layer(h))
    assert torch.allclose(net(x), weights[-1](h))
    assert all(isinstance(layer, nn.Linear) for layer in weights)


def test_decibels():
    rng = np.random.default_rng(0)
    signal = rng.random((8, 8, 3))
    assert psnr(signal + 0.01, signal) == pytest.approx(40)
    assert psnr(255 * signal + 2.55, 255 * signal, peak=255) == pytest.approx(40)
    assert psnr(signal, signal) == math.inf


def test_errors_by_frequency_see_amplitude_and_phase():
    t = np.arange(100) / 100
    wave = lambda k, shift=0.0: np.sin(2 * np.pi * (k * t - shift))  # noqa: E731
    signal = wave(2) + 3 * wave(7)
    fitted = 0.5 * wave(2) + 3 * wave(7, 0.5) + wave(11)
    assert frequency_error(fitted, signal, [2, 7]) == pytest.approx([0.5, 2.0])
    assert frequency_error(signal, signal, [2, 7]) == pytest.approx([0, 0], abs=1e-12)


def test_refusals():
    with pytest.raises(
        ValueError, match="at least 2 inputs, 1 frequency and 1 phase, got 1, 2 and 3"
    ):
        fourier_basis(1, 2, 3)
    with pytest.raises(ValueError, match=r"have the shapes \(2,\) and \(3,\); they must agree"):
        psnr(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match=r"must have one shape \(n,\), got \(2,\) and \(3,\)"):
        frequency_error(np.zeros(2), np.zeros(3), [1])
    with pytest.raises(ValueError, match="cycles must be 0 to 2 for 4 points"):
        frequency_error(np.ones(4), np.ones(4), [3])
    with pytest.raises(ValueError, match="lacks one of the frequencies"):
        frequency_error(np.zeros(8), np.cos(np.pi * np.arange(8) / 4), [1, 2])


def test_a_composed_layer_alone_is_folded_in_its_own_precision():
    layer = FourierLinear(4, 3, frequencies=2, phases=2).double()
    flat = folded(layer)
    assert type(flat) is torch.nn.Linear
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(flat(x), layer(x))


def test_folding_of_a_network_without_finite_values_has_an_infinite_gap():
    net = Field(2, width=8, linear=FourierLinear)
    with torch.no_grad():
        net.last.bias.fill_(float("nan"))
    folding = CheckedFolding(torch.zeros(5, 2))
    folding(net)
    assert folding.gap == float("inf")


def test_tensors_of_any_kind_are_compared():
    x = torch.tensor([0.25, 0.5], requires_grad=True)
    assert psnr(x, torch.tensor([0.5, 0.5]).bfloat16()) == pytest.approx(
        psnr([0.25, 0.5], [0.5, 0.5])
    )
    for sides, peak in ((([], []), 1.0), (([1.0], [0.5]), 0.0)):
        with pytest.raises(ValueError, match="needs values and a positive peak"):
            psnr(*sides, peak=peak)
