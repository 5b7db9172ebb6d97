"""Settings that studies share: help and least values are written once."""

from dataclasses import dataclass, fields

import pytest

from inscape.core.errors import StudyError
from inscape.study.config import override, settings_of
from inscape.study.discover import load_study
from inscape.study.settings import STANDARD, Bounded, Settings, help_of, setting


@dataclass(frozen=True)
class Config(Settings):
    data: str = "cities"
    folds: int = 5
    draws: int = setting(9, "random directions")
    shuffles: int = setting(5, "label shuffles", least=5)
    radius: float = setting(1.0, "of the neighbourhood, in kilometres", least=0.5)


def test_a_name_has_its_help_unless_the_study_has_its_own():
    found = {f.name: help_of(f) for f in fields(Config)}
    assert found["model"] == STANDARD["model"].help
    assert found["folds"] == STANDARD["folds"].help
    assert found["draws"] == "random directions"
    assert found["radius"].endswith("in kilometres")


@pytest.mark.parametrize(
    ("name", "low", "least"),
    [("folds", 1, 2), ("draws", 1, 2), ("shuffles", 4, 5), ("radius", 0.4, 0.5)],
)
def test_numbers_below_the_least_are_refused(name, low, least):
    assert getattr(override(Config(), {name: least}), name) == least
    with pytest.raises(StudyError, match=f"{name} must be at least {least}, got {low}"):
        override(Config(), {name: low})


def test_a_study_has_only_the_settings_it_declares():
    assert [f.name for f in fields(Config)][:2] == ["model", "data"]
    assert "limit" not in {f.name for f in fields(Config)}
    assert not fields(Bounded)


def test_the_help_of_a_study_reaches_the_command_line():
    rows = {s.name: s for s in settings_of(load_study("space-time-neurons"))}
    assert rows["folds"].help == STANDARD["folds"].help
    assert rows["shuffles"].help == "label shuffles of the main null"
