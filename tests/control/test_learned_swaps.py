"""Learned swaps: drawn as they should be, trained until the loss stops falling, counted on held-out
sequences.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.learned_swaps import (
    PERMUTED,
    SWAPS,
    UNIGRAM,
    WINDOW,
    draw_swaps,
    learn_all,
    learn_swap,
    magnitudes,
    swapped_rightly,
)
from inscape.control.sequence_swaps import OnionSwap, SubspaceSwap
from inscape.worlds.sequence_repeat import OnionStore, SlotStore


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("bigrams", [False, True])
def test_one_token_is_to_change_and_the_source_has_it(bigrams):
    net = SlotStore(6, 4, 16, stream())
    swaps, wanted, length = draw_swaps(net, (2, 4), 50, stream(1), bigrams=bigrams)
    rows = torch.arange(50)
    assert (swaps.old != swaps.new).all()
    assert (swaps.position < length).all()
    assert (wanted[rows, swaps.position] == swaps.new).all()
    before, given = net.repeat(swaps.h), net.repeat(swaps.source)
    inside = torch.arange(4) < length[:, None]
    assert ((before != wanted) & inside).sum(1).tolist() == [1] * 50
    beside = (swaps.position > 0).nonzero()[:, 0]
    same = given[beside, swaps.position[beside] - 1] == wanted[beside, swaps.position[beside] - 1]
    assert same.all() == bigrams


def test_training_ends_where_the_loss_stops_falling():
    net = SlotStore(5, 3, 9, stream())
    # without a learning rate nothing falls; three windows must be seen to tell
    swap = SubspaceSwap(3, 9, stream(1))
    stopped = learn_swap(net, swap, (3, 3), 20 * WINDOW, stream(2), lr=0.0)
    assert stopped is not None
    assert stopped >= 3 * WINDOW
    assert stopped % WINDOW == 0
    assert learn_swap(net, swap, (3, 3), 2 * WINDOW, stream(3), lr=0.0) is None


def test_a_swap_with_the_right_magnitudes_comes_out_and_falls_off_as_they_do():
    net = OnionStore(8, 4, 8, stream())
    swap = OnionSwap(8, 8, stream(1))
    with torch.no_grad():
        swap.tokens.copy_(net.tokens)
        for p, value in ((swap.gain, 1.0), (swap.decay, net.ratio), (swap.slope, 0.0)):
            p.fill_(value)
        swap.offset.fill_(0.0)
    assert swapped_rightly(net, swap, (2, 4), 100, stream(2)).mean() == 1
    assert swapped_rightly(net, swap, (2, 4), 100, stream(2), permuted=True).mean() < 0.2
    lengths = magnitudes(swap, 4)
    assert np.allclose(lengths[1:] / lengths[:-1], net.ratio, atol=1e-5)
    pairs = torch.cdist(net.tokens, net.tokens)
    assert lengths[0] == pytest.approx(float(pairs.mean()), abs=1e-5)


def test_every_kind_is_learnt_on_a_store_and_subspaces_fit_slots():
    found = learn_all(SlotStore(3, 2, 6, stream()), (2, 2), 300, 100, stream(1))
    assert set(found.right) == set(SWAPS)
    assert set(found.steps) == set(SWAPS) - {PERMUTED}
    assert found.scale.shape == (2,)
    assert found.right[UNIGRAM].mean() > 0.9
