"""Spearman's rank correlation as evidence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from inscape.core.measured import Measured
from inscape.core.rank_correlation import (
    pair_rank_correlation,
    permuted_ranks,
    rank_correlation,
    rank_correlations,
    rank_table,
)


def test_the_value_is_scipys_and_the_null_is_of_permutations():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    y = x + 0.5 * rng.normal(size=40)
    e = rank_correlation("x", x, y, rng=rng, draws=199)
    assert e.value == pytest.approx(spearmanr(x, y).statistic)
    assert e.p == pytest.approx(1 / 200)
    assert 0.3 < e.interval[0] < e.value < e.interval[1] < 1
    assert rank_correlation("x", x, rng.permutation(y), rng=rng, draws=199).p > 0.05


def test_several_measures_are_each_as_alone():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(12, 3)), columns=["a", "b", "y"])
    streams = {"a": 1, "b": 2}
    found = permuted_ranks(
        "ρ of y",
        frame,
        ["a", "b"],
        "y",
        rng=lambda measure: np.random.default_rng(streams[measure]),
        kind="rows permuted",
    )
    assert list(found) == ["a", "b"]
    for measure, e in found.items():
        alone = rank_correlation(
            "ρ",
            frame[measure].to_numpy(),
            frame["y"].to_numpy(),
            rng=np.random.default_rng(streams[measure]),
        )
        assert (e.value, e.p, e.interval) == (alone.value, alone.p, alone.interval)
        assert e.where == {"condition": measure}
        assert (e.name, e.null.kind) == (f"ρ of y and {measure}", "rows permuted")
    assert found["a"].value != found["b"].value


def test_the_interval_covers():
    rng = np.random.default_rng(1)
    rho, inside = (
        6 / np.pi * np.arcsin(0.6 / 2),
        0,
    )  # Spearman's of a normal pair of correlation 0.6
    for _ in range(300):
        x = rng.normal(size=12)
        y = 0.6 * x + 0.8 * rng.normal(size=12)
        low, high = rank_correlation("x", x, y, rng=rng, draws=2).interval
        inside += low <= rho <= high
    assert inside >= 270  # 285 expected; 270 is four standard errors below


def test_no_interval_of_few_pairs_or_of_one_value():
    rng = np.random.default_rng(2)
    few = rank_correlation("x", np.arange(3.0), np.arange(3.0), rng=rng, draws=19)
    assert few.interval is None
    assert "needs four pairs" in few.warnings[0]
    flat = rank_correlation("x", np.ones(9), np.arange(9.0), rng=rng, draws=19)
    assert (flat.value, flat.interval, flat.p) == (0.0, None, 1.0)


def test_correlations_of_several_columns_are_paired_and_left_out_row_by_row():
    rng = np.random.default_rng(0)
    y = rng.normal(size=30)
    frame = pd.DataFrame(
        {"near": y + 0.3 * rng.normal(size=30), "far": rng.normal(size=30), "y": y}
    )
    frame["half"] = np.repeat(["a", "b"], 15)
    m = rank_correlations("ρ", frame, ("near", "far"), "y", roles={"far": "baseline"})
    for name in ("near", "far"):
        assert m.value(name).value == pytest.approx(spearmanr(frame[name], y)[0])
    without = m.conditions["near"].draws[0].without
    kept = np.arange(30) != 7
    assert without[7] == pytest.approx(spearmanr(frame["near"][kept], y[kept])[0])
    gain = m.gain("near", over="far")
    assert gain.interval[0] > 0
    assert gain.beside[0].role == "baseline"
    rows = rank_table(frame, ("near", "far"), "y", by="half")
    assert rows.columns.tolist() == ["half", "measure", "ρ"]
    assert rows["ρ"][3] == pytest.approx(spearmanr(frame["far"][15:], y[15:])[0])
    whole = rank_table(frame, ("near",), "y")
    assert whole.to_dict("records") == [
        {"measure": "near", "ρ": pytest.approx(m.value("near").value)}
    ]


def test_a_claim_of_less_is_tested_on_the_other_side():
    x = np.arange(20.0)
    p = {
        side: rank_correlation("x", x, -x, rng=np.random.default_rng(0), draws=99, direction=side).p
        for side in ("higher", "lower")
    }
    assert p == {"higher": 1.0, "lower": 0.01}


def test_pairs_of_numbers_are_correlated():
    x = np.arange(5.0)
    for y in (np.where(x > 3, np.nan, x), x[:0]):
        with pytest.raises(
            ValueError, match="rank_correlation: x needs two pairs of numbers or more"
        ):
            rank_correlation("x", x[: len(y)], y, rng=np.random.default_rng(0))


def distances(x: np.ndarray) -> np.ndarray:
    return np.linalg.norm(x[:, None] - x, axis=2)


def test_distance_matrices_are_compared_pair_by_pair_and_an_item_leaves_with_its_pairs():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(9, 2))
    one, other = distances(x), distances(x + 0.5 * rng.normal(size=x.shape))
    found = pair_rank_correlation(one, other)

    def slow(items: list[int]) -> float:
        pairs = [(i, j) for i in items for j in items if i < j]
        return spearmanr([one[p] for p in pairs], [other[p] for p in pairs])[0]

    assert found.value == pytest.approx(slow(list(range(9))))
    for g in range(9):
        assert found.without[g] == pytest.approx(slow([i for i in range(9) if i != g]))
    assert np.ptp(found.without) > 0.001
    assert pair_rank_correlation(one, other**3).value == pytest.approx(found.value)
    assert pair_rank_correlation(one, -other).value == pytest.approx(-found.value)


def test_its_interval_of_items_is_wider_than_that_of_pairs_would_be():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 2))
    one, other = distances(x), distances(x + 0.6 * rng.normal(size=x.shape))
    m = Measured("ρ")
    m.put_statistic("items", pair_rank_correlation(one, other))
    low, high = m.value("items").ends
    at = np.triu_indices(40, 1)
    naive = rank_correlation("ρ", one[at], other[at], rng=rng, draws=2).interval
    assert high - low > 1.5 * (naive[1] - naive[0])


def test_distance_matrices_are_of_the_same_items():
    x = np.random.default_rng(5).normal(size=(5, 2))
    with pytest.raises(ValueError, match="matrices of 5 and 4 items; give the same"):
        pair_rank_correlation(distances(x), distances(x[:4]))
    with pytest.raises(ValueError, match="each pair of at least 4 items"):
        pair_rank_correlation(distances(x[:3]), distances(x[:3]))
    with pytest.raises(ValueError, match="not symmetric"):
        pair_rank_correlation(distances(x), np.arange(25.0).reshape(5, 5))
