"""The layer where most items are found, chosen on the other half."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.rng import generator
from inscape.probing.peak_layer import END, FIVE, INSIDE, PERMUTED, at_peak, retrieval_at_peak


def test_the_layer_is_chosen_on_the_other_half():
    found = np.zeros((4, 4), dtype=bool)
    found[1, :2], found[2, 2:], found[3, 2:] = True, True, True
    halves = [(np.array([0, 1]), np.array([2, 3])), (np.array([2, 3]), np.array([0, 1]))]
    peak = at_peak(found, halves)
    assert peak.inside.tolist() == [2, 2, 1, 1]
    assert peak.chosen == (1, 2)
    assert peak.end.tolist() == [3, 3, 0, 0]


def test_words_named_inside_alone_stand_above_the_ends_and_above_permuted_words():
    own = np.arange(40)
    named = np.stack([np.full(40, 99), own, np.full(40, 99)])
    named[2, :10] = own[:10]
    m, chosen = retrieval_at_peak(named, own, 19, rng=lambda *names: generator(0, *names))
    assert chosen == (1, 1)
    assert m.value(INSIDE).value == 1
    assert m.value(END).value == pytest.approx(0.25)
    assert m.value(FIVE).value == 0
    assert m.gain(INSIDE, over=FIVE, null=PERMUTED).p == pytest.approx(0.05)


def test_a_stack_has_a_layer_inside():
    with pytest.raises(ValueError, match="2 layers have none inside; give at least three"):
        at_peak(np.ones((2, 4), dtype=bool), [])
