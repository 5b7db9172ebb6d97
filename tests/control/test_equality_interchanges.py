"""Interchanges of hierarchical equality: the answers are those of the algorithm with its variable
swapped.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inscape.control.alignment_maps import RotationMap
from inscape.control.alignment_search import align_and_score, right
from inscape.control.equality_interchanges import interchanges
from inscape.worlds.hierarchical_equality import Perceptron, Slots, variables

SLOTS = Slots("symbols", 3)


class Seen(Perceptron):
    """Keeps the cases it is shown."""

    def layer(self, x, index):
        self.cases = [*getattr(self, "cases", []), x.numpy()]
        return super().layer(x, index)


def net():
    return Seen(3, 8, 2, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variable", [0, 1])
def test_the_answer_takes_the_variable_from_the_source(variable):
    own = net()
    made = interchanges(SLOTS, own, 1, variable, 60, rng=np.random.default_rng(0))
    base, source = map(variables, own.cases)
    kept = base[:, 1 - variable]
    assert np.array_equal(made.answer.numpy(), (kept == source[:, variable]).astype(int))
    assert made.base.shape == (60, 8)


def test_a_symbol_is_held_out_of_training_and_stands_in_every_case_of_the_test():
    for test in (False, True):
        own = net()
        more = {"algorithm": "symbol held out", "test": test, "rng": np.random.default_rng(0)}
        interchanges(SLOTS, own, 1, 0, 40, **more)
        has = [(x[:, :, -1] == 1).any(axis=1) for x in own.cases]
        assert all((h == test).all() for h in has)


def test_the_wrong_algorithm_asks_for_parities():
    own = net()
    rng = np.random.default_rng(0)
    made = interchanges(SLOTS, own, 1, 0, 80, algorithm="wrong algorithm", rng=rng)
    base, source = own.cases
    odd = source[:, :2].argmax(axis=2).sum(axis=1) % 2
    assert np.array_equal(made.answer.numpy(), (odd == variables(base)[:, 1]).astype(int))


def test_a_map_is_scored_beside_itself_before_training():
    own = net()
    pairs = [interchanges(SLOTS, own, 2, 0, n, rng=np.random.default_rng(n)) for n in (400, 100)]
    stream = torch.Generator().manual_seed(0)
    phi = RotationMap(8, 4, stream)

    def finish(h, _):
        return own.finish(h, 2)

    found = align_and_score(phi, *pairs, finish, steps=40, batch=64, lr=1e-2, generator=stream)
    assert found.right.shape == found.untrained.shape == (100,)
    assert found.noop == 1
    assert found.inversion < 1e-5 < found.foreign
    with torch.no_grad():
        again = right(phi, pairs[1], finish).numpy()
    assert np.array_equal(found.right, again)
