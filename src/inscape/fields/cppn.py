"""A picture as a network of coordinates whose neurons are pictures themselves: a compositional
pattern-producing network.

    (y, x, d, 1) → hidden × (linear without bias, each neuron its own function) → linear → logistic → grey level
    d = 1.4 √(x² + y²);   functions: identity, tanh, sine, Gaussian 2 exp(−z²) − 1

A network whose neurons see x only through even functions draws pictures that are symmetric, and
keeps them so whatever happens to most of its weights. `symmetric_picture` gives three such
networks, built by hand; one trained on their pictures has the same form and need not have the same
insides.

Cost: O(pixels · layers · width²).
Reference: Stanley (2007), Compositional pattern producing networks; Kumar et al. (2025),
arXiv:2505.11581.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

#: neurons of every hidden layer, by their function, in this order
KINDS = ("identity",) * 7 + ("gaussian",) * 5 + ("tanh",) * 3 + ("sine",)
WIDTH = len(KINDS)
PICTURES = ("face", "apple", "butterfly")
_FUNCTIONS = {
    "identity": lambda z: z,
    "gaussian": lambda z: 2 * torch.exp(-(z**2)) - 1,
    "tanh": torch.tanh,
    "sine": torch.sin,
}


def coordinates(side: int) -> Float[Tensor, "n 4"]:
    """y, x, d and 1 of the pixels of a square picture, row by row; y and x from −1 to 1."""
    line = torch.linspace(-1, 1, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([y, x, 1.4 * torch.hypot(x, y), torch.ones_like(x)], dim=-1).flatten(0, 1)


class Cppn(nn.Module):
    """The network.

    Args:
        hidden: layers of `WIDTH` neurons, at least 1.

    Example:
        >>> Cppn(3)(coordinates(8)).shape
        torch.Size([64])
    """

    def __init__(self, hidden: int = 4) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"Cppn: hidden must be at least 1 layer, got {hidden}")
        widths = [4, *(WIDTH,) * hidden, 1]
        self.linear = nn.ModuleList([nn.Linear(a, b, bias=False) for a, b in pairwise(widths)])
        with torch.no_grad():
            for layer in self.linear:
                layer.weight.normal_(std=layer.in_features**-0.5)

    def maps(self, x: Float[Tensor, "n 4"]) -> list[Float[Tensor, "n w"]]:
        """What every neuron of every hidden layer draws."""
        out = []
        for layer in self.linear[:-1]:
            z = layer(x).unbind(dim=1)
            x = torch.stack([_FUNCTIONS[k](own) for k, own in zip(KINDS, z, strict=True)], dim=1)
            out.append(x)
        return out

    def forward(self, x: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
        """Grey levels between 0 and 1."""
        return torch.sigmoid(self.linear[-1](self.maps(x)[-1])[:, 0])


def permuted(net: Cppn, orders: list[Int[Tensor, " w"]]) -> Cppn:
    """A network that draws the same, with the neurons of each hidden layer in another order.

    Args:
        net: the network.
        orders: of each hidden layer; neurons change places with those of the same function alone.

    Raises:
        ValueError: not an order of all neurons of each hidden layer, or one that mixes functions.
    """
    if len(orders) != len(net.linear) - 1:
        raise ValueError(
            f"permuted: the network has {len(net.linear) - 1} hidden layers; give an order of each, "
            f"got {len(orders)}"
        )
    for order in orders:
        if sorted(order.tolist()) != list(range(WIDTH)):
            raise ValueError(f"permuted: an order names each of the {WIDTH} neurons once")
        if tuple(KINDS[i] for i in order.tolist()) != KINDS:
            raise ValueError("permuted: neurons of different functions cannot change places")
    made = Cppn(len(net.linear) - 1)
    before: Tensor | slice = slice(None)
    with torch.no_grad():
        for own, layer, order in zip(made.linear, net.linear, [*orders, None], strict=True):
            weight = layer.weight[:, before]
            own.weight.copy_(weight if order is None else weight[order])
            before = slice(None) if order is None else order
    return made


def symmetric_picture(name: str) -> Cppn:
    """A network of four hidden layers, built by hand, whose picture is its own mirror image.

    Args:
        name: one of `PICTURES`.

    Raises:
        ValueError: another name.
    """
    if name not in _WIRES:
        raise ValueError(
            f"symmetric_picture: name must be one of {', '.join(PICTURES)}, got {name!r}"
        )
    net = Cppn(4)
    with torch.no_grad():
        for layer, wires in zip(net.linear, _WIRES[name], strict=True):
            layer.weight.zero_()
            for to, sources in wires.items():
                for source, weight in sources.items():
                    layer.weight[to, source] = weight
    return net


# Inputs are y 0, x 1, d 2, one 3. Neurons 0 to 6 hand on what they get, 7 to 11 are Gaussians, 12
# to 14 tanh, 15 a sine. The first layer turns x into Gaussians of x, which are even, and hands on
# y, d and one as 0, 1 and 2.
_HAND_ON = {0: {0: 1.0}, 1: {1: 1.0}, 2: {2: 1.0}}
_FIRST = {0: {0: 1.0}, 1: {2: 1.0}, 2: {3: 1.0}}
_WIRES: dict[str, list[dict[int, dict[int, float]]]] = {
    # a round head with two eyes and a mouth
    "face": [
        _FIRST | {7: {1: 1.6}},
        # two upright bands beside the middle, a band of eyes, a band of mouth, and a middle
        _HAND_ON | {3: {7: 1.0}, 7: {7: 4.0, 2: -2.0}, 8: {0: 5.0, 2: 1.2}, 9: {0: 6.0, 2: -2.6}},
        # eyes and mouth: where both bands are bright
        _HAND_ON
        | {7: {7: 1.2, 8: 1.2, 2: -2.4}, 8: {9: 1.2, 3: 1.2, 2: -2.2}, 12: {1: -4.0, 2: 3.6}},
        {7: {7: 1.0, 2: -1.0}, 8: {8: 1.0, 2: -1.0}, 12: {12: 2.0}, 2: {2: 1.0}},
        {0: {12: 3.0, 7: -2.0, 8: -1.5, 2: -3.2}},
    ],
    # a round body with a dent above, a stem and a bright spot in the middle
    "apple": [
        _FIRST | {7: {1: 1.5}, 8: {1: 9.0}},
        _HAND_ON | {3: {7: 1.0}, 4: {8: 1.0}, 7: {0: 2.5, 2: 2.4}, 8: {0: 4.0, 2: 3.4}},
        _HAND_ON
        | {3: {3: 1.0}, 7: {3: 1.0, 7: 1.0, 2: -2.0}, 8: {4: 1.2, 8: 1.2, 2: -2.4}, 9: {1: 2.0}},
        {12: {1: -4.0, 2: 2.8, 7: -0.8}, 8: {8: 1.0, 2: -1.0}, 9: {9: 0.8, 2: -0.8}, 2: {2: 1.0}},
        {0: {12: 2.6, 8: 2.2, 9: 1.0, 2: 1.0}},
    ],
    # two wings with rings, and a body
    "butterfly": [
        _FIRST | {7: {1: 1.2}, 8: {1: 8.0}},
        _HAND_ON
        | {3: {7: 1.0}, 4: {8: 1.0}, 7: {7: 2.2, 0: 1.2}, 8: {7: 2.2, 0: -1.4}, 15: {1: 7.0}},
        _HAND_ON
        | {4: {4: 1.0}, 12: {7: 2.0, 8: 2.0, 2: 0.5}, 13: {15: 1.5}, 14: {1: -3.0, 2: 3.4}},
        {12: {12: 1.5, 14: 1.5, 2: -1.5}, 13: {13: 1.0}, 14: {4: 2.0, 14: 1.0}, 2: {2: 1.0}},
        {0: {12: 2.5, 13: 0.8, 14: 1.5, 2: -0.5}},
    ],
}
