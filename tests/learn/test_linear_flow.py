"""The equations of deep linear networks: their plateaus, the time integral against the integrated
path, a closed form, and gradient descent on real networks.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.learn.linear_flow import crossing, linear_flow, linear_plateau, linear_time
from inscape.learn.linear_prediction import PairMoments, descend, prediction_loss
from inscape.nets.deep_linear import DeepLinear

LAM, RHO = np.array([1.2, 1.0]), np.array([0.5, 1.5])


@pytest.mark.parametrize("latent", [True, False])
@pytest.mark.parametrize("depth", [1, 3])
def test_the_path_obeys_the_equation_of_the_paper(depth, latent):
    end = linear_time(0.99, LAM, RHO, depth, latent=latent, start=0.03).max()
    times = np.linspace(0, end, 40_001)
    w = linear_flow(times, LAM, RHO, depth, latent=latent, start=0.03)
    power = 3 - 1 / depth if latent else 2 - 1 / depth
    slope = depth * (LAM * w**power - w**3 * LAM / RHO)
    found = np.gradient(w, times, axis=0)
    assert np.abs(found - slope)[1:-1].max() < 1e-3 * np.abs(slope).max()
    np.testing.assert_allclose(w[0], 0.03)


def test_one_layer_and_a_data_target_have_a_closed_form():
    # ẇ = λ (w − w³/ρ) is logistic in w²
    times = np.linspace(0, 8, 30)
    found = linear_flow(times, LAM, RHO, 1, latent=False)
    square = RHO / (1 + (RHO / 0.01**2 - 1) * np.exp(-2 * LAM * times[:, None]))
    np.testing.assert_allclose(found, np.sqrt(square), rtol=1e-6)


@pytest.mark.parametrize(("depth", "latent"), [(1, True), (3, True), (3, False)])
def test_time_is_when_the_path_is_there(depth, latent):
    half = linear_time(0.5, LAM, RHO, depth, latent=latent)
    path = linear_flow(np.append(0, np.sort(half)), LAM, RHO, depth, latent=latent)[1:]
    at = path[np.argsort(np.argsort(half)), [0, 1]]
    np.testing.assert_allclose(at, linear_plateau(RHO, depth, latent=latent) / 2, rtol=1e-3)
    if depth == 3:  # the order that depth and target decide
        assert (half[0] > half[1]) == latent


@pytest.mark.parametrize("latent", [True, False])
def test_networks_that_are_trained_follow_it(latent):
    net = DeepLinear(2, 2, 0.05, latent=latent, rng=np.random.default_rng(0))
    xx = torch.diag(torch.from_numpy(LAM / RHO))[None]
    moments = PairMoments(xx, torch.diag(torch.from_numpy(LAM))[None], xx)
    eye = torch.eye(2, dtype=torch.float64)[None]

    def loss() -> torch.Tensor:
        w = net.encoder()
        return prediction_loss(net.predictor @ w, w.detach() if latent else eye, moments)

    until = float(linear_time(0.9, LAM, RHO, 2, latent=latent, start=0.05).max())
    times, sizes = descend(
        net, loss, lambda: net.encoder()[0].norm(dim=0), rate=until / 1500, until=until
    )
    flow = linear_flow(times, LAM, RHO, 2, latent=latent, start=0.05)
    assert np.abs(sizes - flow).mean() < 0.01 * flow.mean()
    assert sizes[-1].min() > 4 * sizes[0].max()
    # the other target's equation does not fit
    other = linear_flow(times, LAM, RHO, 2, latent=not latent, start=0.05)
    assert np.abs(sizes - other).mean() > 0.1 * flow.mean()


def _apart(latent: bool, mixed: float) -> float:
    """The area between trained and simulated, of the worse feature, as a share of the latter's."""
    net = DeepLinear(1, 2, 0.01, latent=latent, rng=np.random.default_rng(0))
    off = mixed * torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    xx = torch.diag(torch.from_numpy(LAM / RHO))[None]
    moments = PairMoments(xx, torch.diag(torch.from_numpy(LAM))[None] + off, xx)
    eye = torch.eye(2, dtype=torch.float64)[None]

    def loss() -> torch.Tensor:
        w = net.encoder()
        return prediction_loss(net.predictor @ w, w.detach() if latent else eye, moments)

    until = float(linear_time(0.999, LAM, RHO, 1, latent=latent).max())
    times, sizes = descend(
        net, loss, lambda: net.encoder()[0].norm(dim=0), rate=until / 3000, until=until
    )
    flow = linear_flow(times, LAM, RHO, 1, latent=latent)
    area = np.trapezoid(np.abs(sizes - flow), times, axis=0)
    return float((area / np.trapezoid(flow, times, axis=0)).max())


def test_a_latent_target_magnifies_covariances_that_are_not_quite_diagonal():
    # a feature of low ρ that is learnt takes up one of higher ρ, at a rate of its own
    latent, data = ([_apart(kind, mixed) for mixed in (0.0, 0.01)] for kind in (True, False))
    assert latent[0] < 0.02
    assert latent[1] > 0.05 > 0.02 > data[1]


def test_crossing_takes_the_first_time_and_says_where_there_is_none():
    path = np.array([[0.0, 2.0, 0.0], [1.0, 3.0, 1.0], [0.5, 4.0, 1.0]])
    found = crossing(np.array([0.0, 1.0, 3.0]), path, np.array([0.25, 1.0, 2.0]))
    np.testing.assert_allclose(found, [0.25, 0.0, np.nan])


def test_refusals():
    with pytest.raises(ValueError, match="one number above 0 for each feature"):
        linear_flow([0.0, 1.0], LAM, -RHO, 2)
    with pytest.raises(ValueError, match="must rise from 0 on"):
        linear_flow([1.0, 0.5], LAM, RHO, 2)
    with pytest.raises(ValueError, match="share must be below 1"):
        linear_time(1.0, LAM, RHO, 2)
