"""The study in its tiny preset: known surfaces, and a curvature at every layer."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("curvature-profile", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_every_layer_of_every_kind_of_network_has_a_curvature(folder):
    frame = pd.read_parquet(folder / "tables" / "profile.parquet")
    assert frame.groupby("networks").size().to_dict() == {
        "trained": 10,
        "shuffled labels": 10,
        "untrained": 10,
    }
    assert (frame["curvature"] > 0).all()
    sizes = pd.read_parquet(folder / "tables" / "sizes.parquet")
    assert sizes["network"].tolist() == [
        "20 digits",
        "1297 digits",
        "20 digits, mixup",
        "1297 digits, mixup",
    ]
