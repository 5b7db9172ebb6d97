"""The differential equation of two competing modes: closed solutions, and simulations."""

from __future__ import annotations

import numpy as np
import pytest

from inscape.learn.mode_dynamics import Mode


def test_one_layer_has_a_closed_solution():
    at = np.linspace(0, 30, 40)
    m = Mode(0.8, 1, 0.3, 0.01).curves([(30.0, False)], at)
    end = 0.8 / 2.09  # both pathways share s, each with its noise
    np.testing.assert_allclose(
        m, np.stack([end + (0.01 - end) * np.exp(-2.09 * at)] * 2), atol=1e-6
    )
    alone = Mode(0.8, 1, 0.3, 0.01).curves([(30.0, True)], at)
    end = 0.8 / 1.09
    np.testing.assert_allclose(alone[0], end + (0.01 - end) * np.exp(-1.09 * at), atol=1e-6)
    np.testing.assert_allclose(alone[1], 0.01)


def test_two_layers_alone_grow_as_a_logistic_curve():
    at = np.linspace(0, 12, 30)
    m = Mode(1.0, 2, 0.0, 0.001).curves([(12.0, True)], at)
    np.testing.assert_allclose(m[0], 1 / (1 + 999 * np.exp(-2 * at)), atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_simulation_with_small_steps_agrees(depth):
    lr, steps = 0.002, (6000, 4000)
    a, b = (np.full(depth, 0.05 ** (1 / depth)) for _ in range(2))
    seen = []
    for length, blank in zip(steps, (True, False), strict=True):
        for step in range(length):
            if step % 500 == 0:
                seen.append((a.prod(), b.prod()))
            left = 0.9 - a.prod() - (0 if blank else b.prod())
            grown = lr * (left - 0.04 * a.prod()) * a.prod() / a
            if not blank:
                b = b + lr * (left - 0.04 * b.prod()) * b.prod() / b
            a = a + grown
    at = lr * np.arange(0, sum(steps), 500)
    phases = [(lr * length, blank) for length, blank in zip(steps, (True, False), strict=True)]
    found = Mode(0.9, depth, 0.2, 0.05).curves(phases, at)
    own = np.abs(found.T - seen).max()
    assert own < 0.005
    assert np.ptp(found[0]) > 0.5
    other = Mode(0.9, depth + 1, 0.2, 0.05).curves(phases, at)
    assert np.abs(other.T - seen).max() > 5 * own


def test_a_pathway_that_comes_late_finds_less_and_the_less_the_deeper():
    phases = [(60.0, True), (60.0, False)]
    ends = [Mode(1.0, d, 0.2, 0.01).curves(phases, [0.0, 120.0])[:, 1] for d in (1, 2, 3)]
    share = [b / (a + b) for a, b in ends]
    assert share[0] > share[1] > share[2]
    assert share[0] > 0.4
    assert share[2] < 0.1


def test_times_at_the_borders_of_phases_are_of_both():
    mode, phases = Mode(1.0, 2, 0.1, 0.01), [(3.0, True), (5.0, False)]
    found = mode.curves(phases, [0.0, 3.0, 8.0])
    np.testing.assert_allclose(found[:, 0], 0.01)
    np.testing.assert_allclose(found[:, 1], mode.curves(phases[:1], [0.0, 3.0])[:, 1], rtol=1e-5)


def test_refusals():
    for value, depth, start in ((0.0, 1, 0.1), (1.0, 0, 0.1), (1.0, 1, 0.0)):
        with pytest.raises(ValueError, match="value and start must be positive and depth at least"):
            Mode(value, depth, 0.1, start)
    with pytest.raises(ValueError, match="times must lie between 0 and 3"):
        Mode(1.0, 1, 0.1, 0.1).curves([(3.0, False)], [0.0, 4.0])
