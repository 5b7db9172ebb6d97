"""The study in its tiny preset: what weights of a network built by hand can break, and what of
others.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "r"
    return run_study("fractured-entangled-representation", "tiny", out=out)


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_a_network_built_by_hand_breaks_its_symmetry_by_the_weights_of_x_alone(folder):
    frame = pd.read_parquet(folder / "tables" / "networks.parquet").set_index(
        ["picture", "network"]
    )
    hand = frame.xs("built by hand", level="network")
    # 16 of 4 · 16 + 3 · 16 · 16 + 16 weights read x, and those of Gaussians of x change nothing odd
    assert (hand["broken"] < 0.2).all()
    assert (hand["broken"] > 0).all()
    assert np.isinf(hand["PSNR"]).all()
    assert (hand["asymmetry of the picture"] < 1e-9).all()
    fresh = frame.xs("untrained", level="network")
    assert (fresh["broken"] > hand["broken"]).all()
