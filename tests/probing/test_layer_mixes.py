"""Readings of one task on made layers, of which the first alone holds the label."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from inscape.data.load import load
from inscape.probing.class_task import ClassTask
from inscape.probing.layer_mixes import (
    BEST,
    LAST,
    MIX,
    MIX_RANDOM,
    SIDE,
    MixReadings,
    Shuffled,
    centre_against_best,
    mean_accuracy,
    mean_gain,
    mix_readings,
    shuffled_above_chance,
)


@dataclass
class Quiet:
    """Stands for a run."""

    seed: int = 0

    def rng(self, *names: str) -> np.random.Generator:
        return np.random.default_rng(0)


@pytest.fixture(scope="module")
def read():
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    frame = pd.DataFrame(
        {"text": [f"t{i}" for i in range(80)], "value": y.astype(str), "group": np.arange(80) // 4}
    )
    examples = load(frame, input="text", labels=["value"], group="group")
    task = ClassTask.of(examples, Quiet(), folds=4, shuffles=2, Cs=(1.0,))

    def noise() -> np.ndarray:
        return rng.normal(size=(80, 6)).astype(np.float32)

    first = noise() + 3 * y[:, None].astype(np.float32)
    layers = {"embed": first, "resid_post.0": noise(), "resid_post.1": noise()}
    blank = {site: noise() for site in layers}
    return mix_readings("parity", task, layers, blank, Cs=(1.0,), max_iter=30)


def test_the_mix_finds_the_layer_that_holds_the_label(read):
    accuracy = read.accuracy
    assert accuracy[BEST] > 0.95
    assert accuracy[MIX] > 0.9
    assert accuracy[SIDE] > 0.9
    assert abs(accuracy[LAST] - 0.5) < 0.2
    assert abs(accuracy[MIX_RANDOM] - 0.5) < 0.2
    assert read.mix.argmax() == 0
    assert read.mix.sum() == pytest.approx(1)
    assert read.centre < 1


def test_the_gain_over_tasks_is_the_mean_of_theirs_and_shuffled_labels_give_none(read):
    gain = mean_gain([read, read], MIX, LAST)
    assert gain.value == pytest.approx(read.accuracy[MIX] - read.accuracy[LAST])
    assert gain.null.draws == 2
    assert abs(gain.null.mean) < 0.2


def test_readings_are_evidence_with_the_shuffled_mix_beside(read):
    rows = {e.where["reading"]: e for e in read.evidence()}
    assert set(rows) == set(read.made)
    for name, e in rows.items():
        assert e.value == pytest.approx(read.accuracy[name])
        assert (e.p, e.null.draws) == (None, 2)
        assert e.null.mean == pytest.approx(np.mean(read.null))
    assert read.chance == pytest.approx([0.5, 0.5])
    gain = read.gain(MIX, LAST)
    assert gain.value == pytest.approx(read.accuracy[MIX] - read.accuracy[LAST])
    assert gain.where == {"task": "parity"}
    layers = read.by_layer()
    assert [e.where["target"] for e in layers] == ["parity"] * 3
    shown = np.array([e.value for e in layers])
    assert read.best == np.flatnonzero(shown == shown.max()).mean()


def test_accuracies_are_averaged_over_tasks(read):
    turned = replace(read, made={**read.made, MIX: 1 - read.made[MIX]})
    found = mean_accuracy([read, turned])
    assert found[MIX] == pytest.approx(0.5)  # right in one task where it is wrong in the other
    assert found[LAST] == pytest.approx(read.accuracy[LAST])
    assert set(found) == set(read.made)


def test_shuffled_labels_are_at_chance_unless_they_leak(read):
    y = np.arange(80) % 4 == 0
    leaking = Shuffled(y * 1, {MIX: y * 1})
    none = Shuffled(y * 1, {MIX: 1 - y * 1})
    found = shuffled_above_chance([replace(read, shuffled=[leaking, none])])
    assert found.value == pytest.approx(0.5 - (0.75**2 + 0.25**2))
    one = shuffled_above_chance([replace(read, shuffled=[leaking], name=n) for n in "ab"])
    assert one.value == pytest.approx(1 - (0.75**2 + 0.25**2))
    assert one.n == 2


def test_the_centre_goes_with_the_best_layer_where_it_does(read):
    def task(best: int, centre: int) -> MixReadings:
        layers = replace(read.layers, loss=np.roll(read.layers.loss, best, axis=0))
        made = replace(read, mix=np.eye(3)[centre], layers=layers)
        assert (made.best, made.centre) == (best, centre)
        return made

    rising = [task(k, k) for k in (0, 1, 2, 0, 1, 2)]
    found = centre_against_best(rising, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(1)
    assert found.null.kind == "tasks permuted"
    falling = [task(k, 2 - k) for k in (0, 1, 2, 0, 1, 2)]
    assert centre_against_best(falling, rng=np.random.default_rng(0)).value == pytest.approx(-1)
