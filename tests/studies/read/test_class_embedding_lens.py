"""The study in its tiny preset: one small network that names digits among pieces of others."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("class-embedding-lens", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_claims_have_their_direction(claims):
    assert set(claims) == {"class-token", "object", "random", "deletion"}
    assert claims["class-token"]["low"] > 0.8
    assert abs(claims["class-token"]["null"]["mean"] - 0.5) < 0.1
    assert claims["class-token"]["null"]["draws"] == 199
    assert abs(claims["random"]["value"] - 0.5) < 0.1
    for claim in claims.values():
        assert claim["low"] is not None


def test_the_class_token_learns_the_class_block_by_block_and_the_embedding_does_not_know_it(folder):
    rows = pd.read_parquet(folder / "tables" / "identifiability.parquet")
    lens = rows[rows["series"] == "lens"].pivot(index="layer", columns="target", values="value")
    assert abs(lens.loc[-1, "class token"] - 0.5) < 0.05
    assert lens.loc[2, "class token"] > 0.8
    assert lens.loc[-1, "tokens of the digit"] < lens.loc[2, "tokens of the digit"]


def test_tokens_that_count_are_found(folder):
    lost = pd.read_parquet(folder / "tables" / "deletion.parquet").set_index("condition")["value"]
    assert lost["the digit's own tokens"] > 2 * lost["at random"]
    assert lost["attention × gradient"] > lost["linear probe"]
    assert len(pd.read_parquet(folder / "tables" / "networks.parquet")) == 1
    assert len(pd.read_parquet(folder / "tables" / "updates.parquet")) == 6


def test_settings_that_cannot_run_are_refused(tmp_path):
    with pytest.raises(StudyError, match="give both --model and --data, or none"):
        run_study("class-embedding-lens", "tiny", out=tmp_path / "r", model="some/vit")
    with pytest.raises(StudyError, match="share must be between 0 and 1"):
        run_study("class-embedding-lens", "tiny", out=tmp_path / "r", settings={"share": "1.5"})
