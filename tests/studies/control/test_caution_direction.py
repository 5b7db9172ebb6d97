"""The study in its tiny preset: a network that thinks first is turned in its scratchpad; and an
audit of one's own model.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import DataError, StudyError
from inscape.study.runner import run_study
from inscape.worlds.scratchpad import scratchpad
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("caution-direction", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_direction_turns_decisions_in_the_scratchpad_and_nothing_else_does(folder):
    turned = pd.read_parquet(folder / "tables" / "turned.parquet").set_index("edited")["value"]
    assert turned["scratchpad"] > 0.7 > 0.15 > turned["random directions"]
    assert turned["prompt"] < turned["scratchpad"] / 2
    assert turned["scratchpad, new words alone"] > 2 * turned["random directions"]
    assert turned["scratchpad"] >= turned["scratchpad, old words kept"]
    neither = pd.read_parquet(folder / "tables" / "neither.parquet").set_index("edited")["value"]
    assert set(neither.index) == set(turned.index)
    assert ((neither >= 0) & (neither + turned <= 1)).all()
    assert len(pd.read_parquet(folder / "tables" / "examples.parquet")) == 8


def test_weights_without_it_are_the_model_with_it_projected_out(folder):
    removed = pd.read_parquet(folder / "tables" / "removed.parquet").set_index(["name", "removed"])[
        "value"
    ]
    for name in ("declined, now answered", "answered, now declined"):
        assert removed[name]["weights orthogonalised"] == pytest.approx(
            removed[name]["projected out, everywhere"]
        )
    record = json.loads((folder / "run.json").read_text())
    said = next(s["markdown"] for s in record["sections"] if s["kind"] == "text")
    assert float(said.split("largest difference ")[1].split(")")[0]) < 1e-3


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A user's model in a folder, prompts with traces, and texts about something else."""
    path = tmp_path_factory.mktemp("mine")
    world = scratchpad(cues=2, each=2, width=32, blocks=2, steps=120)
    world.model.net.save_pretrained(path / "model")
    world.model.tokenizer.save_pretrained(path / "model")
    frame = world.requests.frame.drop(columns="answer")
    said = [s.partition(" =>")[0] for s in world.model.generate(world.requests.texts(), 10)]
    frame.assign(scratchpad=said).to_csv(path / "traces.csv", index=False)
    pd.DataFrame({"text": world.counting.texts()[:12]}).to_csv(path / "neutral.csv", index=False)
    return path


def test_a_model_of_ones_own_with_its_own_traces_is_audited(mine, tmp_path):
    quick = {
        "draws": 2,
        "places": 1,
        "strengths": "1",
        "sites": "resid_post.0",
        "shuffles": 2,
        "folds": 2,
    }
    out = run_study(
        "caution-direction",
        "tiny",
        out=tmp_path / "r",
        model=str(mine / "model"),
        data=str(mine / "traces.csv"),
        settings={**quick, "unrelated": str(mine / "neutral.csv")},
    )
    claims = {c["id"]: c for c in json.loads((out / "claims.json").read_text())}
    assert claims["turned"]["value"] > claims["random"]["value"]
    assert -0.5 < claims["unrelated"]["value"] < 1
    record = json.loads((out / "run.json").read_text())
    assert "closes 100%" in claims["can"]["why"]
    assert "decide in its scratchpad" in record["asked"]


def test_refusals(mine, tmp_path):
    with pytest.raises(StudyError, match="goes with no other model or data"):
        run_study("caution-direction", "tiny", out=tmp_path / "a", data="elsewhere.csv")
    own = {"model": str(mine / "model"), "data": str(mine / "traces.csv")}
    with pytest.raises(StudyError, match="name what is to stay as it is"):
        run_study("caution-direction", "tiny", out=tmp_path / "b", **own)
    with pytest.raises(DataError, match="in one half of the prompts .* answers none"):
        settings = {"unrelated": str(mine / "neutral.csv"), "answers": "never said"}
        run_study("caution-direction", "tiny", out=tmp_path / "c", **own, settings=settings)
