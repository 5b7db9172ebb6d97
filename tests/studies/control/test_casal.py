"""The study in its tiny preset: one MLP learns to abstain on people and a relation that it was not
trained on.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import DataError, StudyError
from inscape.outcomes.abstention import PEOPLE
from inscape.studies.control.casal import ADAPTERS, ALL, CASAL, RANDOM, SHUFFLED, TOLD
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
    assert fall.loc[CASAL, PEOPLE] > fall.loc[RANDOM, PEOPLE] + 0.25
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
