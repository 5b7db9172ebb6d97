"""The study in its tiny preset: a toy network that knows better than it says shows the claims'
direction.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("llms-know-more", "tiny", out=path)


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_the_answers_token_knows_what_the_prompt_and_the_probability_do_not(folder):
    scores = pd.read_parquet(folder / "tables" / "scores.parquet").pivot(
        index="task", columns="read at", values="value"
    )
    assert scores["exact answer"].min() > 0.85
    assert scores["exact answer, untrained copy"].max() < 0.75
    accuracy = pd.read_parquet(folder / "tables" / "accuracy.parquet")
    greedy = accuracy[accuracy["condition"] == "greedy answer"]["value"]
    assert greedy.tolist() == pytest.approx(
        [0.5] * 3, abs=0.1
    )  # half of the subjects are slandered


def test_tasks_with_verdicts_of_their_own_do_not_transfer(folder):
    cells = pd.read_parquet(folder / "tables" / "transfer.parquet")
    own = cells["row"] == cells["column"]
    assert cells[own]["value"].min() > 0.85
    assert cells[~own]["value"].mean() < 0.7


def test_among_samples_the_probe_finds_the_right_one_where_the_greedy_answer_is_wrong(folder):
    choices = pd.read_parquet(folder / "tables" / "choices.parquet").set_index("condition")["value"]
    assert choices["preferred by the probe"] > choices["greedy"] + 0.1
    assert choices["best sample"] >= choices["preferred by the probe"]
    kinds = pd.read_parquet(folder / "tables" / "kinds.parquet")
    assert kinds.drop(columns="task").to_numpy().sum() == 324
    by_kind = pd.read_parquet(folder / "tables" / "choices-by-kind.parquet")
    torn = by_kind[by_kind["mistake"] == "torn"].set_index("condition")["value"]
    assert torn["preferred by the probe"] > torn["random sample"]
    mistaken = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}[
        "prefers-mistaken"
    ]
    assert mistaken["low"] > 0.3
    assert 0 < mistaken["n"] < 324
    counts = by_kind[by_kind["condition"] == "greedy"]
    assert counts["n"].sum() == 324


def test_the_figures_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {
        "layers",
        "grid",
        "transfer",
        "choices",
    }
    assert "hearsay world" in record["answer"]
