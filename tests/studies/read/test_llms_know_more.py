"""The study in its tiny preset: a toy network that knows better than it says shows the claims' direction."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("llms-know-more", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_answers_token_knows_what_the_prompt_and_the_probability_do_not(folder, claims):
    assert claims["above-prompt"]["low"] > 0
    assert claims["above-logprob"]["low"] > 0
    scores = pd.read_parquet(folder / "tables" / "scores.parquet").pivot(
        index="task", columns="read at", values="value"
    )
    assert scores["exact answer"].min() > 0.85
    assert scores["exact answer, untrained copy"].max() < 0.75
    accuracy = pd.read_parquet(folder / "tables" / "accuracy.parquet")["value"]
    assert accuracy.tolist() == pytest.approx(
        [0.5] * 3, abs=0.1
    )  # half of the subjects are slandered


def test_tasks_with_verdicts_of_their_own_do_not_transfer(folder, claims):
    assert claims["transfer"]["low"] > 0.2
    cells = pd.read_parquet(folder / "tables" / "transfer.parquet")
    assert cells[cells["row"] == cells["column"]]["value"].min() > 0.85


def test_among_samples_the_probe_finds_the_right_one_where_the_greedy_answer_is_wrong(
    folder, claims
):
    assert claims["prefers"]["low"] > 0.1
    choices = pd.read_parquet(folder / "tables" / "choices.parquet").set_index("answer")["value"]
    assert choices["preferred by the probe"] > choices["greedy"] + 0.1
    assert choices["best sample"] >= choices["preferred by the probe"]
    kinds = pd.read_parquet(folder / "tables" / "kinds.parquet")
    assert kinds.drop(columns="task").to_numpy().sum() == 324


def test_every_number_has_what_it_is_compared_with(folder, claims):
    assert set(claims) == {"above-prompt", "above-logprob", "shuffled", "transfer", "prefers"}
    for claim in claims.values():
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
    assert abs(claims["shuffled"]["value"]) < 0.15
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {
        "layers",
        "grid",
        "transfer",
        "choices",
    }
    assert "hearsay world" in record["answer"]
