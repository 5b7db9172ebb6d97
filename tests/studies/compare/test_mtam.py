"""The study in its tiny preset: three simulated worlds with vectors that the test knows."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("mtam", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def values(folder, name: str) -> pd.Series:
    return pd.read_parquet(folder / "tables" / f"{name}.parquet").set_index("condition")["value"]


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_texts_are_learnt_by_the_arms_that_read_them_and_by_no_other(folder):
    text = values(folder, "text")
    assert text["text alone"] > text["EEG alone"] + 0.1
    assert text["late fusion"] > text["EEG alone"] + 0.1
    assert text["EEG alone"] == pytest.approx(text["untrained"], abs=0.1)


def test_every_arm_is_measured_and_controls_have_gains_of_their_own(folder):
    assert set(values(folder, "accuracy").index) == {
        "untrained",
        "late fusion",
        "text alone",
        "EEG alone",
        "CCA",
        "WD",
        "CCA and WD",
        "texts of other sentences",
    }
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    gains = values(folder, "gains")
    assert gains["as it is"] == pytest.approx(claims["aligned"]["value"])
    assert gains["shuffled"] == pytest.approx(claims["shuffled"]["value"])
    assert values(folder, "auc").between(0, 1).all()
