"""The study in its tiny preset: a network taught right, wrong and nothing shows the claims'
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
        return run_study("recall-not-truth", "tiny", out=path)


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_what_was_taught_wrong_looks_right_and_what_was_not_taught_does_not(folder):
    scores = pd.read_parquet(folder / "tables" / "scores.parquet")
    states = scores[scores["read from"] == "states"].set_index("told apart")["value"]
    assert states["right against ungrounded"] > 0.85
    assert states["right against recalled"] < 0.75
    surface = scores[scores["read from"] == "relation and lengths"]["value"]
    assert surface.max() < 0.7


def test_recalled_errors_depend_on_their_subject(folder):
    moved = pd.read_parquet(folder / "tables" / "subjects.parquet").pivot(
        index="completion", columns="subject", values="value"
    )
    assert (
        moved.loc["recalled error", "attention knockout"]
        > 2 * moved.loc["ungrounded error", "attention knockout"]
    )
    assert moved.loc["right", "attention knockout"] == pytest.approx(
        moved.loc["recalled error", "attention knockout"], rel=0.3
    )


def test_the_figures_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"dependence", "layers", "subject", "windows"}
