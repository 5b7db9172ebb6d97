"""The study in its tiny preset: a toy network that is known to know its map shows the claims'
direction.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study
from tests.model import nets
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("space-time-neurons", "tiny", out=path)


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_region_never_seen_cannot_be_read_from_symbols(folder):
    """The toy network's squares are symbols: what random folds show must vanish with regions held
    out.
    """
    scores = pd.read_parquet(folder / "tables" / "scores.parquet")
    trained = scores[scores["representation"] == "trained model"].set_index(["split", "target"])[
        "value"
    ]
    assert trained["random"].min() > 0.8
    assert trained["group"].max() < 0.3
    assert "Not shown" in json.loads((folder / "run.json").read_text())["answer"]


def test_the_count_of_neurons_is_compared_with_the_same_count(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    null = claims["neurons"]["null"]
    assert null["draws"] == 199
    assert null["mean"] < 1 < claims["neurons"]["value"]
    weights = pd.read_parquet(folder / "tables" / "neurons-weights.parquet")
    assert weights["cosine"].abs().between(0, 1).all()
    assert weights["cosine"].abs().is_monotonic_decreasing


def test_every_number_has_what_it_is_compared_with(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    for id, claim in claims.items():
        assert claim["null"] is not None or claim["beside"] or "above" in id, id
        assert claim["low"] is not None, id
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    shown = {"layers-random", "layers-group", "map-random", "map-group", "countries", "years"}
    assert shown <= figures
    assert json.loads((folder / "certificates.json").read_text())[0]["passed"]


def test_mean_ablated_neurons_have_a_control(folder):
    fall = pd.read_parquet(folder / "tables" / "held-at-mean.parquet")
    assert set(fall["mean-ablated"]) == {"neurons found", "random neurons, same layers"}
    random = fall[fall["mean-ablated"] == "random neurons, same layers"]
    assert random["value"].abs().max() < 0.05
    # so few groups of so unequal weight give no interval, and the tables say so
    bare = fall["low"].isna()
    assert fall.loc[bare, "warnings"].str.contains("effective groups").all()
    assert (fall.loc[~bare, "low"] <= fall.loc[~bare, "value"]).all()


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
    settings = {
        "shuffles": "5",
        "neurons": "3",
        "people": str(tmp_path / "mine.csv"),
        "born_from": "0",
    }
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
