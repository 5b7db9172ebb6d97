"""From sweeps to the tables that figures are drawn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from inscape.charts.heatmap import matrix
from inscape.charts.layers import score_by_layer
from inscape.core.evidence import Evidence
from inscape.probing.frames import (
    SHUFFLED,
    by_layer,
    by_layer_each,
    chosen_scores,
    layer_of,
    mean_by_layer,
    shuffled_band,
    squares,
)
from inscape.probing.sweep import sweep


def test_layers_carry_their_null():
    rng = np.random.default_rng(0)
    y = rng.normal(size=60)
    x = {f"resid_post.{i}": rng.normal(size=(60, 4)) + i * y[:, None] for i in range(3)}
    found = sweep({"embed": x["resid_post.0"], **x}, y, split="random", shuffles=9)
    frame = by_layer({"trained": found, "other": found}, {"rule": found})
    assert set(frame["series"]) == {"trained", "other", SHUFFLED, "rule"}
    assert sorted(frame[frame["series"] == "trained"]["layer"].unique()) == [-1, 0, 1, 2]
    assert frame[frame["series"] == "rule"]["layer"].isna().all()
    score_by_layer(frame).to_dict()
    assert (layer_of("embed"), layer_of("z.3.1")) == (-1, 3)


def test_a_score_without_an_interval_is_a_point():
    rng = np.random.default_rng(0)
    y = rng.normal(size=69)
    groups = np.repeat([0, 1, 2, 3], [60, 3, 3, 3])
    x = {"resid_post.0": rng.normal(size=(69, 4)) + y[:, None]}
    found = sweep(x, y, groups=groups, folds=4, shuffles=0)
    assert found.evidence[0].interval is None
    frame = by_layer({"one large group": found}, {"again": found})
    assert (frame["low"] == frame["value"]).all()
    assert (frame["high"] == frame["value"]).all()


def test_evidence_of_pairs_is_drawn_as_squares():
    found = [
        Evidence("x", 0.5, (0.4, 0.6), where={"head": 1, "asked": "here"}),
        Evidence("x", 0.1, where={"head": 2, "asked": "here"}),
    ]
    frame = squares(found, "head", "asked")
    assert frame["row"].tolist() == ["1", "2"]
    assert frame["column"].tolist() == ["here", "here"]
    assert frame[["value", "low", "high"]].to_numpy().tolist() == [[0.5, 0.4, 0.6], [0.1, 0.1, 0.1]]
    matrix(frame, row="head", column="asked").to_dict()


def test_shuffled_sweeps_are_a_band_from_the_least_to_the_most():
    rng = np.random.default_rng(0)
    x = {f"resid_post.{i}": rng.normal(size=(40, 3)) for i in range(2)}
    found = [sweep(x, rng.normal(size=40), split="random", shuffles=0) for _ in range(3)]
    frame = shuffled_band(found)
    assert (frame["series"] == SHUFFLED).all()
    assert frame["layer"].tolist() == [0, 1]
    scores = np.array([r.scores[:, 0] for r in found])
    assert np.allclose(
        frame[["low", "value", "high"]].T, [scores.min(0), scores.mean(0), scores.max(0)]
    )


def test_scores_by_reading_and_layer_are_means_over_tasks():
    rng = np.random.default_rng(0)
    x = {f"resid_post.{i}": rng.normal(size=(40, 3)) for i in (0, 3)}
    found = [sweep(x, rng.normal(size=40), split="random", shuffles=0) for _ in range(4)]
    readings = {"first": {"a": found[0], "b": found[1]}, "last": {"a": found[2], "b": found[3]}}
    frame = mean_by_layer(readings)
    assert frame["row"].tolist() == ["first", "first", "last", "last"]
    assert frame["column"].tolist() == ["0", "3"] * 2
    wanted = (found[0].scores[1, 0] + found[1].scores[1, 0]) / 2
    assert np.isclose(frame["value"][1], wanted)


def test_parts_of_several_readings_are_put_together():
    rng = np.random.default_rng(0)

    def one(target: str, strength: float):
        y = rng.normal(size=60)
        x = {
            f"resid_post.{i}": rng.normal(size=(60, 4)) + strength * i * y[:, None] for i in (0, 1)
        }
        return sweep(x, y, split="random", shuffles=5, target_names=(target,))

    found = {r: {t: one(t, k) for t in ("first", "second")} for r, k in (("here", 1), ("there", 0))}
    rule = {"rule": {t: one(t, 1) for t in ("first", "second")}}
    frame = by_layer_each(found, rule)
    parts = [
        by_layer({r: of[t] for r, of in found.items()}, {"rule": rule["rule"][t]})
        for t in ("first", "second")
    ]
    pd.testing.assert_frame_equal(frame, pd.concat(parts, ignore_index=True))
    assert frame["target"].unique().tolist() == ["first", "second"]
    rows = chosen_scores(found, by=("task", "read at"))
    assert [tuple(e.where.items()) for e in rows] == [
        (("task", t), ("read at", r)) for t in ("first", "second") for r in ("here", "there")
    ]
    assert [e.value for e in rows] == [
        found[r][t].selected[0].value for t in ("first", "second") for r in ("here", "there")
    ]
