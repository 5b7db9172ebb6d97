"""The study in its tiny preset: a toy network that is known to know its map shows the claims' direction."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study
from tests.model import nets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("space-time-neurons", "tiny", out=path)


def test_the_claims_have_their_direction(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    for gain in ("above-embedding", "above-letters", "above-untrained"):
        assert claims[gain]["passed"], gain
        assert claims[gain]["low"] > 0.5
        assert abs(claims[gain]["null"]["mean"]) < 0.1  # the control itself knows nothing
    assert claims["shuffled"]["value"] < 0.05
    assert claims["linear"]["passed"]
    assert claims["neurons"]["value"] >= 5
    assert claims["neurons"]["null"]["mean"] < 0.05


def test_a_region_never_seen_cannot_be_read_from_symbols(folder):
    """The toy network's squares are symbols: what random folds show must vanish with regions held out."""
    scores = pd.read_parquet(folder / "tables" / "scores.parquet")
    trained = scores[scores["representation"] == "trained model"].set_index(["split", "target"])[
        "value"
    ]
    assert trained["random"].min() > 0.8
    assert trained["group"].max() < 0.3
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert not claims["held-out"]["passed"]
    assert "Not shown" in json.loads((folder / "run.json").read_text())["answer"]


def test_every_number_has_what_it_is_compared_with(folder):
    for claim in json.loads((folder / "claims.json").read_text()):
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert {"layers-random", "layers-group", "map-random", "map-group", "countries"} <= figures
    assert json.loads((folder / "certificates.json").read_text())[0]["passed"]


def test_neurons_held_at_their_mean_have_a_control(folder):
    fall = pd.read_parquet(folder / "tables" / "held-at-mean.parquet")
    assert set(fall["held at mean"]) == {"neurons found", "random neurons, same layers"}
    random = fall[fall["held at mean"] == "random neurons, same layers"]
    assert random["value"].abs().max() < 0.05
    assert (fall["low"] <= fall["value"]).all()
    assert (fall["value"] <= fall["high"]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shuffles": "0"}, "shuffles must be at least 1, got 0"),
        ({"folds": "1"}, "folds must be at least 2, got 1"),
        ({"limit": "-5"}, "limit must be at least 0, got -5"),
        ({"neuron_null": "columns"}, "neuron_null"),
    ],
)
def test_settings_that_cannot_run_are_refused_before_a_folder_is_made(tmp_path, settings, message):
    with pytest.raises(StudyError, match=message):
        run_study("space-time-neurons", "tiny", out=tmp_path / "r", settings=settings)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("given", [{"data": "cities"}, {"model": "minilm-l6"}])
def test_the_toy_network_is_not_asked_about_other_data(tmp_path, given):
    with pytest.raises(StudyError, match="goes with no other model or data: give both"):
        run_study("space-time-neurons", "tiny", out=tmp_path / "r", **given)


def test_a_table_of_ones_own_with_one_label_and_no_group(tmp_path, monkeypatch, recwarn):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    nets.net("llama").save_pretrained(tmp_path / "net")
    nets.tokenizer().save_pretrained(tmp_path / "net")
    words = "the river a stone in town and so on".split()
    rows = [
        {"text": f"{words[i % 9]} {words[i % 7]} {words[i % 5]}", "score": i % 9 + i % 7}
        for i in range(60)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "mine.csv", index=False)
    settings = {"shuffles": "5", "neurons": "3"}
    path = run_study(
        "space-time-neurons",
        "tiny",
        tmp_path / "r",
        0,
        settings,
        str(tmp_path / "net"),
        str(tmp_path / "mine.csv"),
    )
    record = json.loads((path / "run.json").read_text())
    assert any("have no column 'group'" in sentence for sentence in record["warnings"])
    assert not recwarn.list
