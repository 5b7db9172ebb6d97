"""Simple confidences: each is its own fit to training rows, and held-out outcomes have no say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit

from inscape.probing import fitted_confidences, held_out_odds, mean_of_layers
from inscape.probing.plain_confidences import BASE, COOLED, LAST, PLATT
from inscape.read.calibration import Platt, Temperature, brier


@pytest.fixture
def answers():
    """Answers whose output is too sure and whose states tell right from wrong, with a fold."""
    rng = np.random.default_rng(0)
    groups, honest = np.arange(600) % 30, rng.uniform(0.2, 0.9, 600)
    y = (rng.random(600) < honest).astype(np.int64)
    output = expit(3 * logit(honest) + 1)
    states = rng.normal(size=(600, 4)) + 0.7 * y[:, None]
    return output, states, y, groups, (np.flatnonzero(groups >= 10), np.flatnonzero(groups < 10))


def test_each_confidence_is_its_own_fit(answers):
    output, states, y, groups, fold = answers
    train, test = fold
    found = fitted_confidences(output, states, y, groups, fold)
    assert list(found) == [COOLED, PLATT, LAST, BASE]
    for name, how in ((COOLED, Temperature), (PLATT, Platt)):
        assert found[name] == pytest.approx(how.fit(output[train], y[train] * 1.0)(output[test]))
    odds = held_out_odds(states, y, groups, fold, tol=1e-4)
    assert found[LAST] == pytest.approx(expit(odds))
    assert found[BASE] == pytest.approx(np.full(len(test), y[train].mean()))
    # an output that is too sure gains by scaling, and more by Platt's second number
    lost = {name: brier(p, y[test] * 1.0) for name, p in found.items()}
    assert lost[PLATT] < lost[COOLED] < brier(output[test], y[test] * 1.0)
    assert lost[LAST] < lost[BASE]


def test_held_out_outcomes_have_no_say(answers):
    output, states, y, groups, fold = answers
    turned = y.copy()
    turned[fold[1]] = 1 - y[fold[1]]
    one, other = (fitted_confidences(output, states, own, groups, fold) for own in (y, turned))
    for name in one:
        assert np.array_equal(one[name], other[name])
    means = [mean_of_layers([states, states**2], own, groups, fold) for own in (y, turned)]
    assert np.array_equal(*means)
    fitted = y.copy()
    fitted[fold[0]] = 1 - y[fold[0]]
    turned_round = fitted_confidences(output, states, fitted, groups, fold)
    assert np.corrcoef(one[LAST], turned_round[LAST])[0, 1] < 0


def test_the_mean_of_layers_is_of_their_log_odds(answers):
    _, states, y, groups, fold = answers
    noise = np.random.default_rng(1).normal(size=states.shape)
    odds = [held_out_odds(x, y, groups, fold) for x in (states, noise)]
    found = mean_of_layers([states, noise], y, groups, fold)
    assert found == pytest.approx(expit((odds[0] + odds[1]) / 2))
    assert np.ptp(odds[0]) > 1
    assert mean_of_layers([states], y, groups, fold) == pytest.approx(expit(odds[0]))
