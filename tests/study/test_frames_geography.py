"""Tables for figures: layers with their null, places with their errors, what the group alone gives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.charts.layers import score_by_layer
from inscape.charts.world import world_map
from inscape.data.examples import Examples
from inscape.studies.read.space_time_neurons.geography import by_country, group_mean, place_table
from inscape.studies.read.space_time_neurons.nonlinear import mlp_gain
from inscape.study.frames import SHUFFLED, by_layer, layer_of
from inscape.study.sweep import sweep


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    centres = rng.uniform([-50, -150], [60, 150], (12, 2))
    country = np.repeat(np.arange(12), 15)
    y = centres[country] + rng.normal(size=(180, 2))
    frame = pd.DataFrame(
        {"name": [f"town {i}" for i in range(180)], "latitude": y[:, 0], "longitude": y[:, 1]}
    )
    frame["country"], frame["continent"] = (
        [f"c{c}" for c in country],
        [f"k{c % 3}" for c in country],
    )
    examples = Examples(frame, "name", ("latitude", "longitude"), "country").with_prompt(
        "In {} now"
    )
    x = {
        f"resid_post.{i}": y @ rng.normal(size=(2, 8)) * i + rng.normal(size=(180, 8)) * 20
        for i in range(3)
    }
    options = dict(
        groups=examples.groups(), shuffles=19, shuffle="rows", target_names=examples.labels
    )
    return examples, {
        s: sweep({"embed": x["resid_post.0"], **x}, y, split=s, **options)
        for s in ("random", "group")
    }


def test_layers_carry_their_null(world):
    _, sweeps = world
    frame = by_layer(
        {"trained": sweeps["group"], "other": sweeps["random"]}, {"rule": sweeps["group"]}
    )
    assert set(frame["series"]) == {"trained", "other", SHUFFLED, "rule"}
    assert sorted(frame[frame["series"] == "trained"]["layer"].unique()) == [-1, 0, 1, 2]
    assert frame[frame["series"] == "rule"]["layer"].isna().all()
    score_by_layer(frame).to_dict()
    assert (layer_of("embed"), layer_of("z.3.1")) == (-1, 3)


def test_places_find_their_names_and_errors(world):
    examples, sweeps = world
    place = place_table(sweeps["random"], examples, np.random.default_rng(0))
    assert place["city"].iloc[7] == "town 7"
    assert place["error_km"].median() < place["mean_km"].median()
    assert place["traced"].sum() == 60
    assert 1 <= (place["label"] != "").sum() <= 3
    world_map(place).to_dict()
    errors = by_country(place, np.random.default_rng(0))
    assert len(errors) == 12
    assert (errors["low"] <= errors["value"]).all()
    assert (errors["value"] <= errors["high"]).all()
    assert (errors["n"] == 15).all()
    assert by_country(place.head(5), np.random.default_rng(0)).empty


def test_the_groups_mean_is_an_oracle_only_where_the_group_was_seen(world):
    _, sweeps = world
    assert min(e.value for e in group_mean(sweeps["random"])) > 0.98
    for e in group_mean(sweeps["group"]):
        assert e.value == pytest.approx(
            0, abs=1e-12
        )  # no row of the group in training: the training mean is left


def test_an_mlp_gains_where_the_answer_is_bent_and_not_where_it_is_straight():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 4))
    y = np.stack([x[:, 0], np.abs(x[:, 0])], axis=1) + 0.1 * rng.normal(size=(400, 2))
    result = sweep(
        {"resid_post.0": x}, y, split="random", shuffles=0, target_names=("straight", "bent")
    )
    straight, bent = mlp_gain({"resid_post.0": x}.__getitem__, result, seed=0)
    assert bent.value > 0.5 > 0.1 > straight.value
    assert bent.interval[0] > 0.3
    shuffled = {b.name: b.value for b in bent.beside}["MLP on shuffled labels"]
    assert shuffled < 0.1


def test_the_mlp_reads_in_each_fold_the_site_that_its_training_rows_choose():
    rng = np.random.default_rng(6)
    x = {"resid_post.0": rng.normal(size=(120, 3)), "resid_post.1": rng.normal(size=(120, 3))}
    y = x["resid_post.1"][:, :1] + 0.1 * rng.normal(size=(120, 1))
    result = sweep(x, y, split="random", shuffles=0, target_names=("y",))
    asked: list[str] = []
    (gain,) = mlp_gain(lambda site: asked.append(site) or x[site], result, seed=0)
    assert asked == ["resid_post.1"]
    assert gain.where["site"] == "resid_post.1"
    assert abs(gain.value) < 0.1
