"""A classification asked of many representations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.data.examples import Examples
from inscape.model.model import Model
from inscape.probing.class_task import (
    ClassTask,
    chance_scores,
    chosen,
    every,
    predicted,
    taken_across,
    taken_along,
    thinned,
    thinned_states,
)
from tests.model import nets


class FakeRun:
    seed = 0

    def __init__(self):
        self.warnings = []

    def rng(self, *names):
        return np.random.default_rng(len("".join(names)))

    def warn(self, sentence):
        self.warnings.append(sentence)


class FakeStore:
    def __init__(self, matrices):
        self.held = matrices
        self.sites = [
            type("S", (), {"layer": i, "__str__": lambda s: f"resid_post.{s.layer}"})()
            for i in range(7)
        ]

    def matrices(self, sites):
        return [(s, self.held) for s in sites]


@pytest.fixture
def task():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 3)
    frame = pd.DataFrame(
        {"text": [f"t{i}" for i in range(60)], "kind": ["a", "b", "c"] * 20, "by": groups}
    )
    examples = Examples(frame, "text", ("kind",), "by")
    made = ClassTask.of(examples, FakeRun(), folds=4, shuffles=3, Cs=(0.1, 1.0))
    signal = np.eye(3)[made.y] @ rng.normal(size=(3, 10)) + 0.3 * rng.normal(size=(60, 10))
    return made, {
        "resid_post.0": rng.normal(size=(60, 10)),
        "resid_post.1": signal,
        "resid_post.2": signal[:, ::-1] * 0,
    }


def test_what_is_there_is_read_where_it_is_and_shuffled_labels_are_not(task):
    made, sites = task
    sites["resid_post.2"] = np.random.default_rng(3).normal(size=(60, 10))
    result = made.sweep(sites)
    assert made.scores.value(predicted(result)) > 0.9
    assert chosen(result) == "resid_post.1"
    told = []
    noise = made.shuffled(sites, advance=lambda: told.append(1))
    assert len(told) == len(made.orders)
    chance = [
        made.scores.against_labels(predicted(r), made.y[o])
        for r, o in zip(noise, made.orders, strict=True)
    ]
    assert chance_scores(made.scores, noise).tolist() == chance
    assert np.mean(chance) < 0.5
    same = [made.scores.against_labels(made.y, made.y[o]) for o in made.orders]
    assert chance_scores(made.scores, noise, made.y).tolist() == same
    assert (made.mlp(sites["resid_post.1"], result.folds) == made.y).mean() > 0.8


def test_probes_go_along_to_where_the_same_is_said_the_same_way_and_not_elsewhere(task):
    made, sites = task
    sites = {"resid_post.1": sites["resid_post.1"]}
    first = made.sweep(sites)
    assert (taken_along(first, sites, sites, made.y) == predicted(first)).mean() > 0.97
    turned = {"resid_post.1": np.roll(sites["resid_post.1"], 3, axis=1)}
    assert (taken_along(first, sites, turned, made.y) == made.y).mean() < 0.8


def test_parts_are_whole_groups_and_layers_are_thinned_with_the_last_kept(task):
    made, sites = task
    assert made.first(0).tolist() == list(range(60))
    assert made.first(10).tolist() == list(range(9))
    assert [str(s) for s, _ in every(FakeStore(sites["resid_post.0"]), 4)()] == [
        f"resid_post.{i}" for i in (0, 4, 6)
    ]
    states = thinned_states(FakeStore(sites["resid_post.0"]), 4)
    assert list(states) == [f"resid_post.{i}" for i in (0, 4, 6)]
    run = FakeRun()
    lone = Examples(made.examples.frame, "text", ("kind",))
    assert ClassTask.of(lone, run, folds=2, shuffles=1, Cs=(1.0,)).groups.max() == 59
    assert "no column 'group'" in run.warnings[0]


def test_what_is_read_for_each_class_are_shares_of_its_rows(task):
    made, sites = task
    result = made.sweep({"resid_post.1": sites["resid_post.1"]})
    frame = made.confusion(result)
    assert frame.groupby("row")["value"].sum().to_numpy() == pytest.approx(np.ones(3))
    diagonal = frame[frame["row"] == frame["column"]]
    assert diagonal["value"].mean() == pytest.approx((predicted(result) == made.y).mean())


def test_probes_go_across_conditions_where_what_is_read_is_written_alike(task):
    made, sites = task
    own = {"resid_post.1": sites["resid_post.1"]}
    turned = {"resid_post.1": np.roll(sites["resid_post.1"], 3, axis=1)}
    rows = np.arange(60)
    found = taken_across(made, rows, {"one": own, "same": own, "turned": turned})
    assert found.names == tuple(found.sweeps) == ("one", "same", "turned")
    assert found.accuracy[0, 1] == pytest.approx(found.accuracy[0, 0], abs=0.03)
    assert found.accuracy[2, 2] > 0.9 > 0.8 > found.accuracy[0, 2]


def test_layers_of_a_model_are_thinned_with_the_last_kept():
    model = Model(nets.net("llama"), nets.tokenizer())
    last = len(model.atlas.blocks) - 1
    assert thinned(model, 2) == [f"resid_post.{i}" for i in sorted({*range(0, last, 2), last})]
    assert thinned(model, 99) == ["resid_post.0", f"resid_post.{last}"]
