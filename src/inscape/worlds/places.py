"""Places: a made-up map, and a small language model that has learnt where its places are.

Every place has a name of two words, of which neither alone says where it is: the pair is drawn at
random onto the map. A two-block Llama is trained to follow a name with the name of the map square
that it lies in. What must then hold: the embedding of the last word knows nothing of the place, the
layers after attention do, an untrained network does not, and a probe that has never seen a region
of squares cannot name it, since squares are symbols to the network.

Cost: a few seconds on one core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F
from transformers import LlamaForCausalLM

from inscape.core.rng import child_seed, generator
from inscape.data.card import DatasetCard
from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.model.open import open
from inscape.worlds.small_llama import small_llama, train, word_tokenizer
from inscape.worlds.trained_once import trained_once

_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z")
_RIMES = ("a", "en", "io", "or")


@dataclass(frozen=True)
class Places:
    """A map and a network that knows it.

    Attributes:
        model: the trained network, opened and certified.
        examples: name, latitude, longitude (degrees), founded (a year that rises from one corner of
            the map to the other, no label), continent (constant) and country: one of nine regions
            of the map.
        accuracy: share of places whose square the network names.
    """

    model: Model
    examples: Examples
    accuracy: float


def places(
    words: int = 18, squares: int = 6, width: int = 64, steps: int = 250, seed: int = 0
) -> Places:
    """Draw a map and train a network in it.

    Args:
        words: first words and second words; there are words² places.
        squares: squares along a side of the map.
        width: of the residual stream.
        steps: of training, each over every place.
        seed: of the map, the initial weights and nothing else.

    Returns:
        The map, the network and how well it learnt.
    """
    rng = generator(seed, "places", "map")
    syllables = [o + r for o in _ONSETS for r in _RIMES]
    firsts, seconds = (list(rng.permutation(syllables)[:words]) for _ in range(2))
    names = [f"{a.capitalize()} {b}" for a in firsts for b in seconds]
    spot = rng.random((len(names), 2))
    square = (spot * squares).astype(int) @ np.array([squares, 1])
    vocabulary = [
        "[PAD]",
        *(a.capitalize() for a in firsts),
        *seconds,
        *(f"square{i}" for i in range(squares**2)),
    ]
    tokenizer = word_tokenizer(vocabulary)
    ids = torch.tensor([tokenizer(name)["input_ids"] for name in names])
    target = torch.tensor([vocabulary.index(f"square{i}") for i in square])
    weights = child_seed(seed, "places", "weights")
    net = _trained(ids, target, len(vocabulary), width, steps, weights)
    model = open(net, tokenizer=tokenizer, name="places world")
    guess = model.run(ids, logits=True).logits[:, -1].argmax(-1)
    frame = pd.DataFrame(
        {
            "name": names,
            "latitude": spot[:, 0] * 120 - 60,
            "longitude": spot[:, 1] * 300 - 150,
            "country": [f"region {int(a * 3)}{int(b * 3)}" for a, b in spot],
            "continent": "Map",
            "founded": np.round(1500 + 200 * spot.sum(axis=1) + 10 * rng.normal(size=len(names))),
        }
    )
    card = DatasetCard("places", f"{len(names)} places of a made-up map, drawn with seed {seed}")
    examples = Examples(frame, "name", ("latitude", "longitude"), "country", card=card)
    return Places(model, examples, float((guess == target).float().mean()))


@trained_once
def _trained(
    ids: torch.Tensor, target: torch.Tensor, size: int, width: int, steps: int, seed: int
) -> LlamaForCausalLM:
    net = small_llama(size, width, seed)

    def loss(_: int) -> torch.Tensor:
        return F.cross_entropy(net(input_ids=ids, use_cache=False).logits[:, -1], target)

    train(net, loss, steps, peak=6e-3)
    return net
