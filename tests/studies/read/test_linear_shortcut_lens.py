"""The study in its tiny preset: in a small network that speaks its language, maps say more than the states do."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("linear-shortcut-lens", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_claims_have_their_direction(claims):
    assert claims["layers"]["passed"]
    assert claims["layers"]["null"]["mean"] < 0.5
    assert claims["gain"]["low"] > 0
    assert claims["gain"]["null"]["mean"] < 0
    assert claims["mixed-up"]["passed"]


def test_early_exit_keeps_the_answers_it_was_asked_to_keep(folder):
    rows = pd.read_parquet(folder / "tables" / "exit.parquet").set_index(["lens", "name"])["value"]
    assert rows["linear map", "answers kept"] > 0.9
    assert 0 <= rows["linear map", "mean exit"] <= 4


def test_maps_explain_more_than_states_and_mixed_up_ones_nothing(folder):
    rows = pd.read_parquet(folder / "tables" / "layers.parquet")
    r2 = rows[rows["name"] == "variance explained"].pivot(
        index="site", columns="lens", values="value"
    )
    assert (r2["linear map"] > r2["logit lens"]).all()
    assert (r2["linear map"] > r2["mean shift"]).all()
    assert r2["mixed-up tokens"].abs().max() < 0.1
    assert (r2["linear map"] >= r2["low-rank map"] - 0.02).all()


def test_a_linear_part_costs_less_than_its_mean(folder):
    rows = pd.read_parquet(folder / "tables" / "replaced.parquet")
    assert set(rows["part"]) == {"attention", "MLP", "norm"}
    assert (rows["value"] < rows["null_mean"]).mean() > 0.7


def test_every_number_has_what_it_is_compared_with(folder, claims):
    assert set(claims) == {"layers", "gain", "exit", "mixed-up"}
    for claim in claims.values():
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert {"precision", "kl", "exit", "replaced"} <= figures
    assert json.loads((folder / "certificates.json").read_text())[0]["passed"]


def test_the_toy_network_is_not_asked_about_other_texts(tmp_path):
    with pytest.raises(StudyError, match="give both --model and --data"):
        run_study("linear-shortcut-lens", "tiny", out=tmp_path / "r", data="library-text")
