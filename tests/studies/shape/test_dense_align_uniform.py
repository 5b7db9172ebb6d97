"""The study in its tiny preset: what is measured of every encoder, and the numbers that any encoder
has.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("dense-align-uniform", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_what_is_measured_of_every_encoder(folder):
    frame = pd.read_parquet(folder / "tables" / "encoders.parquet").set_index("encoder")
    assert len(frame) == 4 * 2 + 2
    collapsed = frame.loc["collapsed features"]
    assert collapsed["dense alignment"] == collapsed["dense uniformity"] == 0
    rest = frame.drop(index="collapsed features")
    assert rest["dense alignment"].between(0, 4).all()
    assert rest["dense uniformity"].between(-8, -1e-9).all()
    # the sum of z-scores says nothing of level
    assert abs(frame["dense sum"].mean()) < 1e-9
    probes = rest[["mIoU, 1 shapes", "mIoU, 3 shapes", "accuracy of pictures"]]
    assert probes.to_numpy().min() > 0.05
    assert probes.to_numpy().max() < 1
