"""The study in its tiny preset: relations of a toy world are read and edited by their maps, and not
by random ones.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study(
        "linear-relational-embedding", "tiny", out=tmp_path_factory.mktemp("run") / "r"
    )


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_relations_are_decoded_from_a_few_jacobians(folder):
    table = pd.read_parquet(folder / "tables" / "faithfulness.parquet")
    own = table[table["condition"] == "mean Jacobian"]
    squares = table[table["condition"] == "least squares"]
    assert own["value"].mean() > 0.8 > 0.5 > own["null_mean"].mean()
    assert own["value"].mean() > squares["value"].mean() + 0.1


def test_edits_bring_the_other_object_and_random_ones_of_that_length_do_not(folder):
    edits = pd.read_parquet(folder / "tables" / "edits.parquet")
    whole = edits[edits["condition"] == "the other subject's whole state"]
    assert whole["value"].min() > 0.8  # the state does decide the answer
    own = edits[edits["condition"] == "mean Jacobian"]
    assert own["value"].mean() > 2 * own["null_mean"].mean()


def test_the_figures_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {
        "faithfulness",
        "layers",
        "edits",
    }


def test_what_cannot_be_run_is_said_before_anything_is_made(tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("linear-relational-embedding", "tiny", out=tmp_path / "a", data="relations")
    with pytest.raises(StudyError, match="examples must be at least 3"):
        run_study(
            "linear-relational-embedding", "tiny", out=tmp_path / "b", settings={"examples": 2}
        )
