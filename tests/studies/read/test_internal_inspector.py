"""The study in its tiny preset: on a network that judges its own answers all states see what its
output does not show.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("internal-inspector", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_states_see_what_the_output_does_not_show(folder, claims):
    assert claims["above-softmax"]["low"] > 0.1
    # the last layer holds the verdict too, and is the best of what is fitted
    assert "last layer, logistic in 3" in claims["brier"]["why"]
    # the toy's verdict is due next, so its last layer alone holds all there is: no gain is possible
    # there
    assert -0.1 < claims["above-last"]["value"] < 0.1
    scores = pd.read_parquet(folder / "tables" / "scores.parquet").pivot(
        index="confidence", columns="name", values="value"
    )
    assert scores.loc["all states, contrastive", "AUC"] > 0.9
    assert scores.loc["all states, contrastive", "AURC"] < scores.loc["max softmax", "AURC"]
    unranked = ["base rate", "best fitted baseline"]
    assert np.isfinite(scores.drop(index=unranked).to_numpy()).all()
    assert np.isfinite(scores.loc[unranked, ["ECE", "Brier score"]].to_numpy()).all()
    assert abs(claims["shuffled"]["value"] - 0.5) < 0.15


def test_every_number_has_what_it_is_compared_with(folder, claims):
    by = {id: {b["name"] for b in claim["beside"]} for id, claim in claims.items()}
    assert by["above-last"] == {"last layer, logistic"}
    assert by["above-softmax"] == {"max softmax"}
    assert by["calibrated"] == {"max softmax", "base rate"}
    assert by["brier"] == {"best fitted baseline"}
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"confidences", "calibration", "reliability", "risk"}
    tables = pd.read_parquet(folder / "tables" / "tasks.parquet")
    assert {
        "without attn_out",
        "without mlp_out",
        "without resid_post",
        "upper half of the layers",
    } <= set(tables["confidence"])
