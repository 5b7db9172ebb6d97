"""The probing protocol: one harvest, every control on the same folds, selection inside, what is
drawn.
"""

import numpy as np
import pandas as pd
import pytest

from inscape.core.evidence import Evidence
from inscape.data.examples import Examples
from inscape.study.probe import (
    EMBEDDING,
    HELD,
    LETTERS,
    RANDOM,
    TRAINED,
    UNTRAINED,
    Probing,
    probe,
    surface,
    swept,
    weakest,
)
from inscape.worlds.places import places
from tests.study.recorder import Recorder

HOW = Probing(splits=(RANDOM, HELD), folds=3, shuffles=19)


@pytest.fixture(scope="module")
def world():
    return places(steps=150)


@pytest.fixture(scope="module")
def probed(world, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        yield probe(Recorder(), world.model, world.examples, HOW)


def test_every_representation_is_probed_on_the_same_folds(probed):
    names = (TRAINED, UNTRAINED, LETTERS, EMBEDDING)
    assert set(probed.sweeps) == {(n, s) for n in names for s in (RANDOM, HELD)}
    for split in (RANDOM, HELD):
        folds = [probed.sweeps[n, split].folds for n in names]
        assert all(np.array_equal(folds[0], f) for f in folds[1:])
    held = probed.sweeps[TRAINED, HELD]
    for group in np.unique(held.groups):
        assert len(set(held.folds[held.groups == group])) == 1
    assert probed.sweeps[TRAINED, HELD].null_scores.shape[1] == 19
    assert probed.sweeps[LETTERS, HELD].null_scores.shape[1] == 0


def test_what_the_network_learnt_is_above_its_controls(probed):
    assert min(e.value for e in probed.sweeps[TRAINED, RANDOM].selected) > 0.5
    assert probed.gain(over=UNTRAINED, split=RANDOM).value > 0.2
    assert probed.gain(over=LETTERS, split=RANDOM).value > 0.2
    assert probed.above_chance(RANDOM).value > 0.5


def test_a_control_with_a_null_gives_its_gain_a_p_value(world, probed, monkeypatch, tmp_path):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path))
    both = Probing(controls=(LETTERS,), folds=3, shuffles=19, shuffled=(TRAINED, LETTERS))
    found = probe(Recorder(), world.model, world.examples, both)
    assert set(found.sweeps) == {(TRAINED, HELD), (LETTERS, HELD)}
    assert found.sweeps[LETTERS, HELD].null_scores.shape[1] == 19
    assert found.gain(over=LETTERS).p is not None
    assert probed.gain(over=LETTERS).p is None
    assert found.gain(over=LETTERS).value == pytest.approx(probed.gain(over=LETTERS).value)


def test_what_is_drawn(probed):
    run = Recorder()
    probed.show(run, [Evidence("beside", 0.5, where={"representation": "beside"})])
    assert set(run.figures) == {"layers-random", "layers-group"}
    scores = run.tables["scores"]
    assert set(scores["representation"]) == {TRAINED, UNTRAINED, LETTERS, EMBEDDING, "beside"}
    assert len(run.tables["layers"]) > 0


def test_the_surface_is_the_bare_input_in_any_prompt(world):
    run, few = Recorder(), world.examples.take(np.arange(20))
    bare = surface(run, few)
    assert np.array_equal(bare, surface(run, few.with_prompt("where is {} then")))
    assert not np.array_equal(bare, surface(run, few.take(np.arange(20)[::-1])))


def test_classes_and_a_column_held_out_value_by_value(probed):
    run, rng = Recorder(), np.random.default_rng(0)
    part = np.repeat(["a", "b", "c"], 20)
    y = np.tile([0, 1], 30)
    frame = pd.DataFrame({"text": [f"t{i}" for i in range(60)], "mood": y, "part": part})
    examples = Examples(frame, "text", ("mood",))
    x = {"site": y[:, None] + 0.1 * rng.normal(size=(60, 3))}
    how = Probing(task="classification", folds=4)
    found = swept(run, x, examples, how, split="part")
    assert found.metric == "accuracy"
    assert found.selected[0].value > 0.95
    assert len(np.unique(found.folds)) == 3
    for value in "abc":
        assert len(set(found.folds[part == value])) == 1
    assert len(np.unique(swept(run, x, examples, how).folds)) == 4


def test_a_claim_on_every_target_takes_the_weakest_of_each():
    one = Evidence("a", 0.4, (0.05, 0.7), p=0.01)
    two = Evidence("b", 0.3, (0.2, 0.4), p=0.02)
    made = weakest([one, two])
    assert (made.value, made.interval, made.p) == (0.3, (0.05, 0.4), 0.02)
    assert weakest([one, Evidence("c", 0.5)]).interval is None
