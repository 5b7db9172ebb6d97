"""The study in its tiny preset: what is measured of six short trainings, and what noise does to
it.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("lidar-rank", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_what_is_measured_of_every_encoder(folder):
    frame = pd.read_parquet(folder / "tables" / "encoders.parquet").set_index("encoder")
    assert len(frame) == 7
    assert frame["LiDAR"].between(1, 32).all()
    assert (frame["RankMe with noise"] > frame["RankMe of views"] + 3).all()
    # of unrelated digits every direction tells the groups apart as little as any other
    assert (frame["unrelated"] > frame["LiDAR"]).all()
    picks = pd.read_parquet(folder / "tables" / "picks.parquet").set_index("condition")["value"]
    assert picks["the best"] == picks.max()
