"""What a study opens: a model and data, or a world that has both."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError, StudyError
from inscape.data.load import load
from inscape.study import opening
from inscape.study.opening import Needs, opened
from inscape.study.settings import Settings
from inscape.worlds.lexicon import Lexicon
from inscape.worlds.needles import Needles, needles
from tests.study.recorder import Recorder

NAME = "world:needles(texts=8)"


@dataclass(frozen=True)
class Config(Settings):
    labels: tuple[str, ...] = ()


@pytest.fixture
def run():
    return Recorder()


@pytest.fixture
def table(tmp_path):
    frame = pd.DataFrame({"text": ["a", "b", "c"], "mood": ["x", "y", "x"], "size": [1, 2, 3]})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return str(tmp_path / "mine.csv")


@pytest.fixture
def model(monkeypatch):
    """Any model's name opens the same small network; the names asked for."""
    asked = []
    small = needles(texts=8).model
    monkeypatch.setattr(opening, "open", lambda name: asked.append(name) or small)
    return asked


def test_a_world_brings_its_model_its_data_and_its_truth(run):
    model, examples, world = opened(Config(NAME, NAME), run)
    assert isinstance(world, Needles)
    assert model is world.model
    assert examples is world.examples
    assert examples.texts() == needles(texts=8, seed=3).examples.texts()
    assert run.certificates == [model.certificate]
    assert run._facts == {"model": model.name}
    assert run.lines[0].startswith("needles: ")


@pytest.mark.parametrize(
    "pair", [(NAME, "cities"), ("smollm2-135m", NAME), (NAME, "world:needles")]
)
def test_a_world_goes_with_nothing_else(run, pair):
    with pytest.raises(StudyError, match="goes with no other model or data: give both"):
        opened(Config(*pair), run)


def test_a_world_of_another_kind_is_refused(run):
    with pytest.raises(StudyError, match="is no toy for this study, which asks of a Lexicon"):
        opened(Config(NAME, NAME), run, Needs(world=Lexicon))
    with pytest.raises(StudyError, match="'world:tones.*' has no examples"):
        opened(Config(*["world:tones(steps=1)"] * 2), run)


def test_data_is_checked_before_a_model_is_fetched(run, table, model):
    for needs, message in (
        (Needs(columns=("mood", "topic")), "has no column 'topic'; this study needs a table with"),
        (Needs(columns=("kind", "topic")), "has no column 'kind' nor 'topic'"),
    ):
        with pytest.raises(DataError, match=message):
            opened(Config("any", table), run, needs)
    with pytest.raises(DataError, match="asks of one label, got mood, size; name one"):
        opened(Config("any", table, labels=("mood", "size")), run, Needs(labels="one"))
    with pytest.raises(DataError, match="mood"):
        opened(Config("any", table, labels=("mood",)), run, Needs(labels="numbers"))
    bare = {"bare": lambda: load(pd.DataFrame({"text": ["a", "b"]}))}
    with pytest.raises(DataError, match="'bare' has no label"):
        opened(Config("any", "bare"), run, Needs(labels="one"), bare)
    assert model == []
    found = opened(Config("any", table, labels=("mood",)), run, Needs(labels="one", grouped=True))
    assert model == ["any"]
    assert found.world is None
    assert "no column 'group'" in run.warnings[0]


def test_a_study_makes_its_own_data_by_name(run, table, model):
    made = {"own": lambda: load(pd.DataFrame({"text": ["p", "q"], "score": [0, 1]}))}
    assert opened(Config("any", "own"), run, made=made).examples.texts() == ["p", "q"]
    needs = Needs(group="mood", limit=2)
    found = opened(Config("any", table), run, needs, made).examples
    assert np.array_equal(found.groups(), ["x", "y"])
