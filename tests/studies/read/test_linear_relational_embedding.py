"""The study in its tiny preset: relations of a toy world are read and edited by their maps, and not by random ones."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study(
        "linear-relational-embedding", "tiny", out=tmp_path_factory.mktemp("run") / "r"
    )


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_relations_are_decoded_from_a_few_jacobians(folder, claims):
    assert claims["faithful"]["value"] >= 2
    assert claims["faithful"]["null"]["high"] == 0
    table = pd.read_parquet(folder / "tables" / "faithfulness.parquet").set_index(
        ["relation", "method"]
    )
    own = table.xs("mean Jacobian", level="method")
    assert own["value"].mean() > 0.8 > 0.5 > own["null_mean"].mean()
    assert own["value"].mean() > table.xs("least squares", level="method")["value"].mean() + 0.1


def test_edits_bring_the_other_object_and_random_ones_of_that_length_do_not(folder, claims):
    assert claims["causal"]["passed"]
    assert claims["causal"]["low"] > 1.5
    edits = pd.read_parquet(folder / "tables" / "edits.parquet").set_index(["edit", "relation"])[
        "value"
    ]
    assert edits["the other subject's whole state"].min() > 0.8  # the state does decide the answer


def test_every_number_has_what_it_is_compared_with(folder, claims):
    for claim in claims.values():
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
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
