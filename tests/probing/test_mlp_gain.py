"""The gain of an MLP probe over ridge."""

from __future__ import annotations

import numpy as np

from inscape.probing.mlp_gain import mlp_gain
from inscape.probing.sweep import sweep


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
