"""Planted gated neurons: a small Llama whose every neuron was given a class, to test what reads
classes off weights.

Each write vector is drawn at random. A class says where the neuron's read and gate vectors lie to
it: along it, against it or across it, with noise. Lengths differ by neuron, the pair (read, write)
is turned round at random, which changes no neuron, and the weights are divided by the gain of the
norm before them, so that classes show only where the gain is folded in. Cost: milliseconds; nothing
is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from inscape.core.rng import child_seed, generator
from inscape.model.model import Model
from inscape.worlds.small_llama import small_llama

#: class → where the read vector lies to the write vector, and whether the gate lies along or
# against it
PLANS = {
    "enrichment": (1, True),
    "conditional enrichment": (1, False),
    "proportional change": (0, True),
    "orthogonal output": (0, False),
    "conditional depletion": (-1, False),
    "depletion": (-1, True),
}


@dataclass(frozen=True, eq=False)
class PlantedNeurons:
    """A network and the class of each of its neurons.

    Attributes:
        model: a Llama with planted MLPs.
        classes: names of the classes.
        codes: class of each neuron, an index into `classes`, (layers, neurons).
    """

    model: Model
    classes: tuple[str, ...]
    codes: Int[np.ndarray, "layers neurons"]


def planted_neurons(
    each: int = 32,
    width: int = 64,
    layers: int = 4,
    noise: float = 0.3,
    seed: int = 0,
    by_depth: bool = False,
) -> PlantedNeurons:
    """Plant as many neurons of every class in each layer, or enrichment early and depletion late.

    Args:
        each: neurons of a class.
        width: of the residual stream.
        layers: how many.
        noise: length of the random vector added to each unit read and gate vector.
        seed: of everything drawn.
        by_depth: neurons that would deplete enrich in the first half of the layers, and the other
            way round after it.
    """
    rng = generator(seed, "planted neurons")
    classes = tuple(PLANS)
    count = each * len(classes)
    net = small_llama(
        50,
        width,
        child_seed(seed, "planted neurons", "weights"),
        intermediate_size=count,
        num_hidden_layers=layers,
    )
    codes = np.stack([rng.permutation(np.arange(count) % len(classes)) for _ in range(layers)])
    if by_depth:
        turned = np.arange(len(classes))[
            ::-1
        ]  # the classes stand in order, from enrichment to depletion
        half = (np.arange(layers) < layers / 2)[:, None]
        codes = np.where(half, np.minimum(codes, turned[codes]), np.maximum(codes, turned[codes]))
    for block, row in zip(net.model.layers, codes, strict=True):
        gain = np.exp(0.5 * rng.normal(size=width))
        read, gate, write = _neurons([PLANS[classes[c]] for c in row], width, noise, rng)
        with torch.no_grad():
            block.post_attention_layernorm.weight.copy_(torch.from_numpy(gain))
            block.mlp.up_proj.weight.copy_(torch.from_numpy(read / gain))
            block.mlp.gate_proj.weight.copy_(torch.from_numpy(gate / gain))
            block.mlp.down_proj.weight.copy_(torch.from_numpy(write.T.copy()))
    return PlantedNeurons(Model(net, name="planted neurons"), classes, codes)


def _neurons(
    plans: list[tuple[int, bool]], width: int, noise: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m = len(plans)
    write = _unit(rng.normal(size=(m, width)))
    read, gate = _across(write, rng), _across(write, rng)
    for j, (sign, along) in enumerate(plans):
        read[j] = sign * write[j] if sign else read[j]
        gate[j] = rng.choice([-1.0, 1.0]) * write[j] if along else gate[j]
    read, gate = (x + noise * _unit(rng.normal(size=x.shape)) for x in (read, gate))
    turn, sizes = rng.choice([-1.0, 1.0], size=(m, 1)), np.exp(rng.normal(size=(3, m, 1)))
    return turn * sizes[0] * read, sizes[1] * gate, turn * sizes[2] * write


def _across(x: Float[np.ndarray, "m d"], rng: np.random.Generator) -> Float[np.ndarray, "m d"]:
    """Random unit vectors, each orthogonal to its row."""
    y = rng.normal(size=x.shape)
    return _unit(y - (y * x).sum(axis=1, keepdims=True) * x)


def _unit(x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    return x / np.linalg.norm(x, axis=1, keepdims=True)
