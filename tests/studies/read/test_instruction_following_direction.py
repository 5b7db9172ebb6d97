"""The study in its tiny preset: a toy network that obeys by tone shows the claims' direction."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import DataError
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("instruction-following-direction", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_obedience_is_known_before_the_answer_and_not_from_words(folder, claims):
    assert claims["before"]["value"] > 0.95
    assert 0.2 < claims["before"]["null"]["mean"] < 0.8
    assert claims["above-words"]["low"] > 0.2
    success = pd.read_parquet(folder / "tables" / "success.parquet")["value"]
    assert success.mean() == pytest.approx(0.5, abs=0.1)


def test_moving_along_it_makes_it_obey_and_random_moves_do_not(folder, claims):
    table = pd.read_parquet(folder / "tables" / "steering.parquet").set_index("moved")["value"]
    assert table["along the direction"] > 0.8
    assert table["random directions"] < 0.3
    assert table["against it"] < 0.1
    assert claims["perplexity"]["beside"][0]["value"] < claims["perplexity"]["value"]


def test_the_figures_and_the_answer_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"layers", "steering", "random"}
    assert "knows in part" in record["answer"]


def test_prompts_without_their_columns_are_refused(tmp_path):
    path = tmp_path / "prompts.csv"
    pd.DataFrame({"prompt": ["a", "b"], "task": ["x", "y"], "kind": ["lower", "lower"]}).to_csv(
        path, index=False
    )
    with pytest.raises(DataError, match="has no column 'word' nor 'phrasing'"):
        run_study(
            "instruction-following-direction",
            "tiny",
            out=tmp_path / "r",
            model="smollm2-135m",
            data=str(path),
        )
