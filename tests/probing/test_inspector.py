"""The inspector reads what it is shown: a planted kind of state, and not the others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from inscape.core.intervals import auc
from inscape.probing.inspector import INSPECTOR, PLAIN, UPPER, InspectedFold

KINDS = ("attn_out", "mlp_out")
TEST = np.arange(0, 240, 4)


@pytest.fixture(scope="module")
def planted():
    """In the lower half of four layers the second kind of state holds the answer."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240)
    x = rng.normal(size=(240, 4, 6))
    x[:, :2, 3:] += 1.5 * y[:, None, None]
    train = np.setdiff1d(np.arange(240), TEST)
    return InspectedFold(x, np.arange(240) // 4, train, TEST, number=1, epochs=15, seed=0), y


def test_parts_leave_out_a_kind_or_the_lower_half(planted):
    fold, _ = planted
    parts = fold.parts(KINDS)
    assert list(parts) == [INSPECTOR, PLAIN, UPPER, "without attn_out", "without mlp_out"]
    assert parts["without attn_out"].columns.tolist() == [3, 4, 5]
    assert parts["without mlp_out"].columns.tolist() == [0, 1, 2]
    assert parts[UPPER].layers.tolist() == [2, 3]
    assert (parts[PLAIN].contrast, parts[INSPECTOR].contrast) == (0.0, 0.3)
    assert list(fold.parts(KINDS[:1])) == [INSPECTOR, PLAIN]


def test_what_holds_the_answer_tells_it_and_the_rest_does_not(planted):
    fold, y = planted
    found = fold.confidences(y, KINDS, networks=1)
    areas = {name: auc(p, y[TEST]) for name, p in found.items()}
    assert min(areas[name] for name in (INSPECTOR, PLAIN, "without attn_out")) > 0.9
    assert max(areas[name] for name in (UPPER, "without mlp_out")) < 0.75
    assert all(((p > 0) & (p < 1)).all() for p in found.values())


def test_networks_are_averaged_in_log_odds(planted):
    fold, y = planted
    everything = fold.parts(KINDS[:1])[INSPECTOR]
    odds = [fold.odds(y, "network", k, everything) for k in range(2)]
    assert not np.allclose(*odds)
    found = fold.confidences(y, KINDS[:1], networks=2)[INSPECTOR]
    assert found == pytest.approx(expit(np.mean(odds, axis=0)))


def test_a_network_sees_training_rows_alone(planted):
    fold, y = planted
    other = y.copy()
    other[TEST] = 1 - other[TEST]
    assert np.array_equal(fold.odds(y, "network", 0), fold.odds(other, "network", 0))
