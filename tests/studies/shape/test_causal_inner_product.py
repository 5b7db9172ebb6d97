"""The study in its tiny preset: features that are separable by construction, behind a skewed
basis.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("causal-inner-product", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_causal_inner_product_is_what_makes_features_orthogonal(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert claims["subspace"]["value"] == 1
    assert claims["subspace"]["null"]["mean"] < 0.5
    frame = pd.read_parquet(folder / "tables" / "orthogonal.parquet").set_index("condition")
    assert frame.loc["causal", "value"] > 0.9
    assert frame.loc["Euclidean", "value"] < frame.loc["causal", "value"] - 0.05
