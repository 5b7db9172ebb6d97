"""The study in its tiny preset: one MLP learns to abstain on people and a relation that it was not trained on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import DataError, StudyError
from inscape.data.examples import Examples
from inscape.studies.control.casal.study import (
    ADAPTERS,
    ALL,
    CASAL,
    HELD,
    HERE,
    RANDOM,
    SHUFFLED,
    TOLD,
    _split,
)
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("casal", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_what_was_promised_is_what_the_model_has(folder):
    sections = {s["name"]: s for s in json.loads((folder / "run.json").read_text())["sections"]}
    off = float(sections["promised"]["markdown"].rpartition(", to ")[2].split(" ")[0])
    assert off < 1e-3
    same = float(sections["labels"]["markdown"].rpartition("in ")[2].split("%")[0])
    assert same > 98  # five samples suffice to tell known from unknown here


def test_the_table_has_every_condition_on_both_tests(folder):
    rows = pd.read_parquet(folder / "tables" / "measured.parquet")
    fall = rows[rows["name"].str.startswith("fall")].pivot(
        index="condition", columns="test", values="value"
    )
    assert set(fall.index) == {CASAL, ADAPTERS, RANDOM, TOLD, ALL}
    assert (fall.loc[TOLD] >= fall.loc[CASAL] - 0.2).all()
    assert fall.loc[CASAL, HERE] > fall.loc[RANDOM, HERE] + 0.25
    own = rows[(rows["condition"] == CASAL) & rows["name"].str.startswith("fall")]
    assert (own["null"] == SHUFFLED).all()
    assert (own["null_draws"] >= 5).all()


def test_refusals(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("casal", "tiny", settings={"model": "smollm2-135m"}, out=tmp_path / "a")
    table = tmp_path / "q.csv"
    pd.DataFrame({"prompt": ["a", "b"], "subject": ["x", "y"]}).to_csv(table, index=False)
    with pytest.raises(DataError, match="has no column 'answers' nor 'relation'; this study needs"):
        run_study(
            "casal", "tiny", settings={"model": "none", "data": str(table)}, out=tmp_path / "b"
        )


def test_nobody_and_no_held_relation_is_on_both_sides():
    frame = pd.DataFrame(
        [
            {"prompt": f"{p} {r}", "subject": p, "relation": r}
            for p in "abcdefgh"
            for r in ("x", "y", "z")
        ]
    )
    questions, unknown = (
        Examples(frame, "prompt", (), "subject"),
        np.isin(frame["subject"], list("aceg")),
    )
    rng = np.random.default_rng(3)
    train, test = _split(questions, unknown, "", rng)
    assert set(frame["relation"].iloc[train]) == {"x", "y"}
    assert set(frame["relation"].iloc[test[HELD]]) == {"z"}
    assert set(frame["relation"].iloc[test[HERE]]) == {"x", "y"}
    for rows in test.values():
        assert not set(frame["subject"].iloc[rows]) & set(frame["subject"].iloc[train])
    with pytest.raises(
        DataError,
        match="there is no relation 'w' to hold out beside another one; there are: x, y, z",
    ):
        _split(questions, unknown, "w", rng)
    with pytest.raises(
        DataError, match="training: the 8 questions are all known or all unknown to the model"
    ):
        _split(questions, ~unknown & False, "", rng)
