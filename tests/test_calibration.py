"""The calibration page: rates are what they say, and a rate outside its range is called missed."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import calibration
from benchmarks.calibration import Case, cases, simulate, sizes, summary, verdict, wilson


def test_every_case_can_be_simulated_and_the_one_with_the_fewest_is_next():
    rows = [
        c for c in cases() if c.design == "Zipf" and c.groups == 60 and "logistic" not in c.what
    ]
    rows = [c for c in rows if c.rate == "coverage" or "detector" in c.what]
    assert len(rows) == 11
    simulate(rows, 2.0)
    counts = [len(c.found) for c in rows]
    assert min(counts) >= 1
    for case in rows:
        assert 0 <= summary(case)["rate"] <= 1


@pytest.mark.parametrize("design", ["equal", "Zipf", "one of 40 %", "countries"])
def test_designs_have_the_shares_they_are_named_for(design):
    counts = np.bincount(sizes(design, 25))
    share = counts.max() / counts.sum()
    low, high = {"equal": (0.03, 0.05), "one of 40 %": (0.39, 0.41)}.get(design, (0.05, 0.35))
    assert low <= share <= high


def test_rates_and_verdicts():
    found = [{"hit": i < 50, "second": i < 10} for i in range(1000)]
    case = Case("p", "equal", 25, "rejection", "", lambda *_: {}, found)
    assert summary(case)["rate"] == 0.05
    assert verdict(case, summary(case)) == "**missed**"  # the maximum rejects too seldom
    case.found = [{"hit": i < 50} for i in range(1000)]
    assert verdict(case, summary(case)) == "held"
    case.found = [{"hit": i < 120} for i in range(1000)]
    assert verdict(case, summary(case)) == "**missed**"
    never = Case("p given", "equal", 25, "rejection", "never", lambda *_: {}, [{"hit": False}] * 20)
    assert verdict(never, summary(never)) == "held"
    never.found = [*never.found, {"hit": True}]
    assert verdict(never, summary(never)) == "**missed**"
    inside = [
        {"value": 0.0, "interval": (-1, 1) if i < 880 else (1, 2), "effective": 20.0}
        for i in range(1000)
    ]
    cover = Case("i", "equal", 25, "coverage", "", lambda *_: {}, inside)
    assert summary(cover)["rate"] == 0.88
    assert verdict(cover, summary(cover)) == "**missed**"
    cover.found = [{**f, "effective": 5.0} for f in inside]
    assert verdict(cover, summary(cover)) == "few groups"


def test_repeated_rows_and_singly_shuffled_rows_are_simulated():
    rows = [c for c in cases() if "repeated" in c.what or c.target == "never"]
    assert len(rows) == 2
    simulate(rows, 1.0)
    merged, singly = rows
    assert singly.found
    assert not any(f["hit"] for f in singly.found)
    assert merged.found
    assert {"hit", "second"} <= set(merged.found[0])


def test_a_rate_from_few_simulations_is_not_judged_and_wilson_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    for k, n in ((0, 67), (5, 100), (970, 1000)):
        ours = wilson(k / n, n, float(stats.norm.ppf(0.975)))
        theirs = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert ours == pytest.approx((theirs.low, theirs.high))
    few = [{"hit": i < 3} for i in range(40)]
    case = Case("p", "equal", 25, "rejection", "", lambda *_: {}, few)
    assert verdict(case, summary(case)) == "too few simulations"


def test_two_processes_make_other_simulations_than_each_other_and_together_those_of_one():
    def row():
        return [c for c in cases() if c.what == "interval of a plain mean"][:1]

    parts = [row(), row(), row()]
    simulate(parts[0], 60, part=0, parts=500)
    simulate(parts[1], 60, part=1, parts=500)
    simulate(parts[2], 60, part=0, parts=250)
    first, second, both = (p[0].found for p in parts)
    assert len(first) == len(second) == 2
    assert len(both) == 4
    assert first[0]["interval"] == both[0]["interval"] != second[0]["interval"]


def test_the_page_is_written(tmp_path, monkeypatch):
    rows = cases()[-5:]
    simulate(rows, 0.5)
    monkeypatch.setattr(calibration, "PAGE", tmp_path / "page.md")
    monkeypatch.setattr(calibration, "simulated", lambda seconds, parts: rows)
    calibration.main(["0.01"])
    text = (tmp_path / "page.md").read_text()
    assert "| interval of a plain mean | countries, 145 | coverage" in text
