"""Scores of sweeps over different rows: their own values and intervals, and differences that know
shared groups.
"""

from __future__ import annotations

import numpy as np
import pytest

from inscape.core.intervals import interval
from inscape.probing.joint_scores import (
    BOTH_SHUFFLED,
    joint_scores,
    mean_shuffled,
    part_gain,
    score_gap,
)
from inscape.probing.sweep import compare, sweep


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    y = (rng.normal(size=120) > 0).astype(int)
    clear = y[:, None] + 0.5 * rng.normal(size=(120, 1))
    faint = y[:, None] + 3.0 * rng.normal(size=(120, 1))
    return groups, y, clear, faint


def fit(x, y, groups):
    return sweep({"x": x}, y, groups=groups, task="classification", metric="auc", shuffles=0)


def test_each_score_keeps_its_value_and_interval(drawn):
    groups, y, clear, faint = drawn
    half = groups < 15
    found = {"all": fit(clear, y, groups), "half": fit(faint[half], y[half], groups[half])}
    m = joint_scores(found, {"all": groups, "half": groups[half]})
    assert m.unit == "AUC"
    for name, result in found.items():
        assert m.value(name).value == pytest.approx(result.selected[0].value)
        # groups of which a score has no row count among those that could be drawn
        close = 1e-9 if name == "all" else 0.02
        alone = interval(result.selected_statistic(0)).ends
        assert m.value(name).interval == pytest.approx(alone, abs=close)


def test_on_the_same_rows_a_difference_is_that_of_compare(drawn):
    groups, y, clear, faint = drawn
    a, b = fit(clear, y, groups), fit(faint, y, groups)
    gain = joint_scores({"a": a, "b": b}, {"a": groups, "b": groups}).gain("a", over="b")
    known = compare(a, b)[0]
    assert gain.value == pytest.approx(known.value)
    assert gain.value > 0.1
    assert gain.interval == pytest.approx(known.interval)


def test_groups_of_other_names_are_other_groups(drawn):
    groups, y, clear, faint = drawn
    a, b = fit(clear, y, groups), fit(clear + 0.03 * faint, y, groups)
    shared = joint_scores({"a": a, "b": b}, {"a": groups, "b": groups}).gain("a", over="b")
    apart = joint_scores({"a": a, "b": b}, {"a": groups, "b": groups + 100}).gain("a", over="b")
    width = lambda e: e.interval[1] - e.interval[0]  # noqa: E731
    assert width(shared) < 0.5 * width(apart)


def test_the_gain_is_that_of_the_part_where_it_is_second(drawn):
    groups, y, clear, faint = drawn
    half = groups < 15
    parts = {"first": half, "second": ~half}
    found = {
        reading: {name: fit(x[rows], y[rows], groups[rows]) for name, rows in parts.items()}
        for reading, x in (("clear", clear), ("faint", faint), ("zero", 0 * faint))
    }
    gain = part_gain("gain", found, "clear", ("faint", "zero"))
    score = {r: {p: s.selected[0].value for p, s in of.items()} for r, of in found.items()}
    wanted = {p: score["clear"][p] - max(score["faint"][p], score["zero"][p]) for p in parts}
    assert gain.each == pytest.approx(wanted)
    assert gain.evidence.value == pytest.approx(min(wanted.values()))
    assert gain.evidence.interval[0] > 0
    assert gain.in_words == "; ".join(f"{p} {wanted[p]:+.3f}" for p in parts)
    most = part_gain("gain", found, "clear", ("faint", "zero"), k=1)
    assert most.evidence.value == pytest.approx(max(wanted.values()))
    back = part_gain("gain", found, "faint", ("clear",))
    assert back.evidence.value < 0


def test_a_gap_is_above_both_on_shuffled_labels(drawn):
    groups, y, clear, faint = drawn
    how = {"groups": groups, "task": "classification", "metric": "auc", "shuffles": 9}
    found = {"clear": sweep({"x": clear}, y, **how), "faint": sweep({"x": faint}, y, **how)}
    both = {name: groups for name in found}
    scores = score_gap(found, both)
    clear_score, faint_score = (r.selected[0].value for r in found.values())
    assert scores.gap.value == pytest.approx(clear_score - faint_score)
    assert scores.each == pytest.approx({"clear": clear_score, "faint": faint_score})
    draws = [r.selected_scores[1:, 0] for r in found.values()]
    assert (scores.gap.null.kind, scores.gap.null.draws) == (BOTH_SHUFFLED, 9)
    assert scores.gap.null.mean == pytest.approx((draws[0] - draws[1]).mean())
    assert scores.above.null is None
    assert scores.above.interval == pytest.approx(scores.gap.interval)
    assert scores.shuffled.value == pytest.approx(np.mean(draws))
    assert scores.shuffled.value < 0.7 < clear_score
    alone = mean_shuffled([found["clear"]], "chance")
    assert (alone.name, alone.unit, alone.n) == ("chance", "AUC", 9)
    assert alone.value == pytest.approx(draws[0].mean())
