"""The study in its tiny preset: what the measures ignore holds for any networks."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("cka", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_with_fewer_items_than_neurons_canonical_measures_are_a_guess(folder):
    found = pd.read_parquet(folder / "tables" / "identified.parquet").set_index("condition")
    for measure in ("mean CCA", "mean CCA²", "PWCCA", "regression"):
        assert found.loc[measure, "value"] == pytest.approx(1 / 8, abs=1e-6)
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["match"]["null"]["mean"] == pytest.approx(1 / 8, abs=0.06)
    noise = pd.read_parquet(folder / "tables" / "noise.parquet").set_index("condition")["value"]
    assert noise["biased CKA"] > 0.5 > noise["debiased CKA"]
