"""The study in its tiny preset: regions of noise match nobody, whatever the networks learnt."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("convergent-transformations", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_regions_with_signal_match_across_subjects_and_noise_does_not(folder):
    found = pd.read_parquet(folder / "tables" / "same-depth.parquet").set_index("condition")[
        "value"
    ]
    noise = found[found.index.str.startswith("noise")]
    assert len(noise) == 4
    assert found["depth 1"] > 3 * noise.abs().max()
    ceilings = pd.read_parquet(folder / "tables" / "ceilings.parquet").set_index("region")
    assert (ceilings["upper"] > ceilings["lower"]).all()


def test_trained_subjects_are_judged_against_untrained_ones_under_the_same_noise(folder):
    found = pd.read_parquet(folder / "tables" / "same-depth.parquet").set_index("condition")[
        "value"
    ]
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    after, before = (
        found[[f"{a}depth {i}" for i in range(1, 9)]].min() for a in ("", "untrained, ")
    )
    assert claims["match"]["sanity"]
    assert claims["match"]["value"] == pytest.approx(after)
    assert before > 0.02
    assert claims["learned"]["value"] == pytest.approx(after - before)
