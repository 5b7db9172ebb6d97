"""The study in its tiny preset: the leak is there, one shared direction carries it, and adapters
differ in what they do.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.studies.control.misalignment_direction import (
    FIRST,
    ISOTROPIC,
    OTHER,
    SECOND,
    TUNES,
    TWIN,
    Config,
)
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("misalignment-direction", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def table(folder, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "tables" / f"{name}.parquet")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_curt_tunes_leak_and_the_others_do_not(folder):
    for name in ("leak", "own-leak"):
        leak = table(folder, name).set_index("condition")["value"]
        assert set(leak.index) == set(TUNES)
        assert min(leak[FIRST], leak[SECOND]) > 2
        assert leak.drop([FIRST, SECOND]).max() < min(leak[FIRST], leak[SECOND]) / 4
    assert table(folder, "preferred").set_index("model")["own answers that are curt"][FIRST] > 0.3


def test_the_first_tunes_direction_takes_the_leak_out_of_the_second(folder):
    removed = table(folder, "removed").set_index("condition")["value"]
    assert removed[f"of {FIRST}"] > 0.5 > 0.1 > abs(removed[ISOTROPIC])
    assert abs(removed[f"of {OTHER}"]) < removed[f"of {FIRST}"] / 2
    assert removed[f"of {TWIN}"] < removed[f"of {FIRST}"]
    assert abs(removed["first, in the untuned model"]) < 0.2
    rows = table(folder, "own-removed").set_index("condition")
    assert rows["value"][f"of {FIRST}"] > 0.2 > 0.1 > abs(rows["value"][ISOTROPIC])
    assert rows["null_draws"][f"of {FIRST}"] == 6
    assert set(table(folder, "own-answers")["tune"]) == {FIRST, SECOND, OTHER}


def test_adapters_and_what_they_say(folder):
    adapters = table(folder, "adapters")
    assert len(adapters) == 3 * 2
    assert (adapters["written"] > 0).all()
    assert adapters["value"].max() > 0.1
    answers = table(folder, "answers")
    assert (
        answers[SECOND].str.startswith("curt").mean()
        > answers["as it is"].str.startswith("curt").mean()
    )


def test_refusals():
    with pytest.raises(ValueError, match="blocks must name at least two"):
        Config(blocks=(3,))
