"""Pictures as networks: symmetric by hand, permuted without a trace, and what moving a weight
does.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.fields.cppn import (
    KINDS,
    PICTURES,
    WIDTH,
    Cppn,
    coordinates,
    permuted,
    symmetric_picture,
)
from inscape.fields.weight_effects import odd_share, weight_effects

SIDE = 12


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_by_hand_are_symmetric_from_left_to_right_alone(name):
    picture = symmetric_picture(name)(coordinates(SIDE)).detach().reshape(SIDE, SIDE)
    assert torch.allclose(picture, picture.flip(1), atol=1e-6)
    assert not torch.allclose(picture, picture.flip(0), atol=1e-2)
    assert picture.std() > 0.1


def test_a_network_drawn_at_random_is_not_symmetric():
    torch.manual_seed(0)
    picture = Cppn()(coordinates(SIDE)).detach().reshape(SIDE, SIDE)
    assert (picture - picture.flip(1)).abs().max() > 0.05


def test_maps_are_the_functions_of_what_a_neuron_gets():
    torch.manual_seed(0)
    net, x = Cppn(2), coordinates(SIDE)
    first = net.maps(x)[0]
    z = net.linear[0](x)
    assert torch.equal(first[:, 0], z[:, 0])
    assert torch.allclose(first[:, 7], 2 * torch.exp(-(z[:, 7] ** 2)) - 1)
    assert torch.allclose(first[:, -1], torch.sin(z[:, -1]))


def test_neurons_of_one_function_change_places_without_a_trace():
    torch.manual_seed(0)
    net, x = Cppn(3), coordinates(SIDE)
    order = torch.arange(WIDTH)
    order[:7] = torch.tensor([6, 0, 1, 2, 3, 4, 5])
    made = permuted(net, [order, torch.arange(WIDTH), order])
    assert torch.allclose(made(x), net(x), atol=1e-6)
    assert not torch.equal(made.linear[0].weight, net.linear[0].weight)
    shares = [np.sort(odd_share(weight_effects(n, x), SIDE)) for n in (net, made)]
    assert np.allclose(*shares, atol=1e-4)
    wrong = torch.arange(WIDTH).flip(0)
    assert KINDS[0] != KINDS[-1]
    with pytest.raises(ValueError, match="different functions cannot change places"):
        permuted(net, [wrong] * 3)


def test_there_are_three_pictures():
    with pytest.raises(ValueError, match="name must be one of face, apple, butterfly, got 'skull'"):
        symmetric_picture("skull")


def test_effects_are_differences_of_pictures_with_a_weight_moved():
    torch.manual_seed(0)
    net, x = Cppn(2).double(), coordinates(SIDE).double()
    effects = weight_effects(net, x)
    assert effects.shape == (SIDE**2, sum(p.numel() for p in net.parameters()))
    before = net(x).detach()
    with torch.no_grad():
        net.linear[1].weight[3, 2] += 1e-6
    column = 4 * WIDTH + 3 * WIDTH + 2
    assert np.allclose((net(x).detach() - before) / 1e-6, effects[:, column], atol=1e-5)


def test_the_odd_share_is_0_for_even_changes_1_for_odd_and_missing_for_none():
    x = coordinates(SIDE).double().numpy()
    even, odd = x[:, 1] ** 2, x[:, 1]
    # an even and an odd change of the same size, added
    mixed = even / np.linalg.norm(even) + odd / np.linalg.norm(odd)
    found = odd_share(np.stack([even, odd, mixed, 0 * even], axis=1), SIDE)
    assert found[:3] == pytest.approx([0, 1, 0.5], abs=1e-9)
    assert np.isnan(found[3])
    noise = np.random.default_rng(0).normal(size=(SIDE**2, 200))
    assert odd_share(noise, SIDE).mean() == pytest.approx(0.5, abs=0.02)
    with pytest.raises(ValueError, match="effects are on 144 pixels, not on 5 × 5"):
        odd_share(noise, 5)


def test_an_order_names_every_neuron_of_every_layer():
    net, own = Cppn(2), torch.arange(WIDTH)
    twice = own.clone()
    twice[0] = 1  # of the same function
    with pytest.raises(ValueError, match="an order names each of the 16 neurons once"):
        permuted(net, [own, twice])
    with pytest.raises(ValueError, match="the network has 2 hidden layers; give an order of each"):
        permuted(net, [own])
    with pytest.raises(ValueError, match="hidden must be at least 1 layer"):
        Cppn(0)
