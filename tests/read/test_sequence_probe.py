"""Probes of a stored sequence: slots are linear; what an onion stores deep inside is not read by
lines.
"""

from __future__ import annotations

import torch

from inscape.read.sequence_probe import tokens_named
from inscape.worlds.sequence_repeat import OnionStore, SlotStore


def test_slots_are_read_at_every_position_and_an_onion_at_the_first():
    stream = torch.Generator().manual_seed(0)
    slots = tokens_named(SlotStore(6, 3, 18, stream), 200, stream)
    assert slots.shape == (3,)
    assert slots.min() > 0.95
    onion = tokens_named(OnionStore(6, 3, 4, stream), 200, stream)
    assert onion[0] > onion[2] + 0.3
    deep = tokens_named(OnionStore(6, 3, 4, stream), 200, stream, perceptron=True)
    assert deep.sum() > onion.sum()
