"""Readings of one task on made layers, of which the first alone holds the label."""

from __future__ import annotations

from dataclasses import dataclass

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
    mean_gain,
    mix_readings,
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
    assert read.best == int(np.argmax([e.value for e in layers])) == 0
