"""A label that is written another way later is read there, and not by the probe that is carried
along.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.data.examples import Examples
from inscape.probing.class_task import ClassTask
from inscape.probing.frames import SHUFFLED
from inscape.probing.persistence import CARRIED, FITTED, persistence, persistence_lines
from tests.study.recorder import Recorder


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 3)
    texts = [f"t{i}" for i in range(60)]
    frame = pd.DataFrame({"text": texts, "kind": ["a", "b", "c"] * 20, "by": groups})
    examples = Examples(frame, "text", ("kind",), "by")
    task = ClassTask.of(examples, Recorder(), folds=4, shuffles=3, Cs=(0.1,))
    rows = np.arange(45)
    own = np.eye(3)[task.y[rows]] @ rng.normal(size=(3, 8)) + 0.2 * rng.normal(size=(45, 8))
    read = {
        0: {"resid_post.0": own},
        5: {"resid_post.0": -own},
        9: {"resid_post.0": rng.normal(size=(45, 8))},
    }
    told, shuffles = [], {0: 6, 5: 6, 9: 4}
    made = persistence(task, rows, read, shuffles, rng=rng, advance=lambda: told.append(1))
    assert len(told) == 3
    return {(e.where["tokens"], e.where["probe"]): e for e in made}


def test_at_the_start_both_probes_are_one(found):
    assert found[0, FITTED].value > 0.9
    assert found[0, CARRIED].value == pytest.approx(found[0, FITTED].value, abs=0.03)


def test_what_is_written_otherwise_is_read_only_by_a_probe_fitted_there(found):
    assert found[5, FITTED].value > 0.9
    assert found[5, CARRIED].value < 0.5
    assert found[9, FITTED].value < 0.6
    for e in found.values():
        assert e.null.draws == (4 if e.where["tokens"] == 9 else 6)
        assert e.null.mean < 0.6


def test_lines_are_those_of_both_probes_and_of_the_null(found):
    frame = persistence_lines(list(found.values()))
    assert set(frame["series"]) == {FITTED, CARRIED, SHUFFLED}
    at = frame.set_index(["series", "x"])
    assert at.loc[(CARRIED, 5), "value"] == found[5, CARRIED].value
    assert at.loc[(SHUFFLED, 9), "high"] == found[9, FITTED].null.high
    assert len(frame) == 9


def test_distances_hold_the_end_and_have_shuffles():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"text": list("abcd"), "kind": ["a", "b"] * 2, "by": range(4)})
    examples = Examples(frame, "text", ("kind",), "by")
    task = ClassTask.of(examples, Recorder(), folds=2, shuffles=1, Cs=(0.1,))
    for read, shuffles in (({1: {}}, {1: 2}), ({0: {}, 1: {}}, {0: 2})):
        with pytest.raises(
            ValueError, match="distances must hold 0, and shuffles a number for each"
        ):
            persistence(task, np.arange(4), read, shuffles, rng=rng)
