"""The study in its tiny preset: a toy network of a few languages shows the claims' direction."""

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
        return run_study("code-language-neurons", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_neurons_serve_their_own_language_and_random_ones_none(folder, claims):
    # the interval over seven kinds may hold 0 under some kernels; the value is positive under all
    assert claims["own"]["value"] > 0
    assert claims["own"]["low"] is not None
    assert claims["shuffled"]["value"] < 0.05
    rises = pd.read_parquet(folder / "tables" / "rises.parquet")
    ratios = rises[rises["unit"] == "times"]
    assert (ratios["value"] > ratios["random neurons"]).sum() >= 3
    assert len(ratios) == (rises["unit"] == "nats").sum() == 4


def test_tables_say_where_neurons_are_and_what_the_lens_reads(folder):
    neurons = pd.read_parquet(folder / "tables" / "neurons.parquet").set_index("language")
    assert (neurons["neurons"] > 0).sum() >= 3
    kept = pd.read_parquet(folder / "tables" / "keywords.parquet")
    assert (kept["still most active there"] > kept["any neuron"]).mean() > 0.5
    lens = pd.read_parquet(folder / "tables" / "lens.parquet")
    assert lens.groupby("layer")["value"].sum().tolist() == pytest.approx([1.0, 1.0])
    last = lens[lens["layer"] == 1].set_index("series")["value"]
    assert last["output's keyword"] > last["input's keyword"]


def test_programs_are_compared_with_their_descriptions_in_every_layer(folder):
    rows = pd.read_parquet(folder / "tables" / "alignment.parquet")
    assert set(rows["series"]) == {"Python", "C", "SQL"}
    assert set(rows["layer"]) == {0, 1}
    assert rows["value"].between(0, 1).all()
    record = json.loads((folder / "run.json").read_text())
    (caption,) = [s["caption"] for s in record["sections"] if s["name"] == "alignment"][:1]
    assert "Share of 60 programs" in caption
    assert "Chance is 0.01" in caption


def test_every_number_has_what_it_is_compared_with(folder, claims):
    assert set(claims) == {"shuffled", "own", "random"}
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {
        "alignment",
        "depth",
        "rises",
        "lens",
    }
    assert "tongues world has " in record["answer"]
