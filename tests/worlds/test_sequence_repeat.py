"""Stores of sequences: what is held out stays out, the stores made by hand are right, a small
network learns.
"""

import pytest
import torch

from inscape.worlds.sequence_repeat import (
    GRURepeater,
    OnionStore,
    SlotStore,
    accuracy,
    sequences,
    train,
)


def test_sequences_held_out_are_in_no_training():
    g = torch.Generator().manual_seed(0)
    (x, length), (y, _) = (
        sequences(3000, 4, (1, 4), g),
        sequences(3000, 4, (1, 4), g, held_out=True),
    )
    train_set, test_set = ({tuple(row) for row in part.tolist()} for part in (x, y))
    assert not train_set & test_set
    assert len(test_set) > 10
    assert set(length.tolist()) == {1, 2, 3, 4}
    assert x.max() == 3
    assert (x[length == 2][:, 2:] == 0).all()


@pytest.mark.parametrize(("kind", "width"), [(OnionStore, 8), (SlotStore, 24)])
def test_stores_made_by_hand_repeat_everything(kind, width):
    g = torch.Generator().manual_seed(0)
    net = kind(8, 4, width, g)
    assert accuracy(net, (2, 4), g) == 1
    x, length = sequences(50, 8, (4, 4), g)
    h = net.encode(x, length)
    assert h.shape == (50, width)
    assert torch.equal(net.decode(h, x).argmax(2), net.repeat(h))
    assert accuracy(GRURepeater(8, 4, width, g), (2, 4), g) < 0.05


def test_an_onion_needs_its_magnitudes():
    g = torch.Generator().manual_seed(0)
    assert accuracy(OnionStore(8, 4, 8, g, ratio=0.9), (4, 4), g) < 0.3


def test_a_small_network_learns():
    g = torch.Generator().manual_seed(0)
    net = GRURepeater(8, 2, 24, g)
    assert accuracy(net, (2, 2), g) < 0.3
    assert train(net, (2, 2), g, steps=300, batch=64, lr=1e-2, every=100) > 0.8


def test_refusals():
    g = torch.Generator()
    with pytest.raises(ValueError, match="lengths must be 1"):
        sequences(3, 4, (0, 2), g)
    with pytest.raises(ValueError, match="hardly any is held out; take more tokens"):
        sequences(3, 2, (1, 1), g, held_out=True)
    with pytest.raises(
        ValueError, match="SlotStore: width must be at least one coordinate a position"
    ):
        SlotStore(4, 5, 4, g)
