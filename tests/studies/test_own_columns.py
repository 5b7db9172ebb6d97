"""Studies that take ``--input``, ``--labels`` and ``--group`` hand them to the data; what is not
named is the data's own.
"""

from __future__ import annotations

import dataclasses
import importlib

import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.study import config as configs
from inscape.study import opening
from inscape.study.discover import cards, load_study
from inscape.study.run import Run

COLUMNS = ("input", "labels", "group")


def takes():
    """Slug and the columns that its study takes, of every study that takes one."""
    for slug, card in cards().items():
        if card.room in ("read", "control"):
            fields = {f.name for f in dataclasses.fields(load_study(slug).config)}
            if named := [c for c in COLUMNS if c in fields]:
                yield slug, named


class Loaded(Exception):
    """The data was asked for."""


TAKES = dict(takes())


def test_some_studies_take_all_three():
    assert TAKES["space-time-neurons"] == TAKES["emotion-probes"] == list(COLUMNS)
    assert len(TAKES) >= 6


@pytest.mark.parametrize("slug", TAKES)
def test_a_study_loads_the_columns_that_were_named(slug, monkeypatch):
    study = load_study(slug)
    module = importlib.import_module(study.module)
    asked = []

    def load(what, **given):
        asked.append((what, {k: v for k, v in given.items() if k in COLUMNS}))
        raise Loaded

    monkeypatch.setattr(module, "load", load, raising=False)
    monkeypatch.setattr(opening, "load", load)
    plain = configs.preset(study, "small")
    named = {c: "topic" if c == "labels" else f"my {c}" for c in TAKES[slug]}
    mine = configs.with_flags(plain, slug, {"data": "mine.csv", **named})
    for config in (plain, mine):
        with pytest.raises(Loaded):  # nothing is asked of the run before the data is loaded
            study.run(config, object.__new__(Run))
    assert asked[0][1] == {}
    expected = {c: ("topic",) if c == "labels" else f"my {c}" for c in TAKES[slug]}
    assert asked[1] == ("mine.csv", expected)


def test_emotion_probes_asks_of_one_label(monkeypatch, tmp_path):
    study = load_study("emotion-probes")
    frame = pd.DataFrame({"text": ["a", "b"], "mood": ["up", "down"], "kind": ["x", "y"]})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    flags = {"data": str(tmp_path / "mine.csv"), "labels": "mood,kind"}
    config = configs.with_flags(configs.preset(study, "small"), "emotion-probes", flags)
    with pytest.raises(DataError, match="asks of one label, got mood, kind; name one with --label"):
        study.run(config, object.__new__(Run))
