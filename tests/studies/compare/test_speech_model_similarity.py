"""The study in its tiny preset: a rotation is invisible to one measure and not to the other,
whatever was learnt.
"""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("speech-model-similarity", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_rows_that_belong_together_are_more_alike_than_shuffled_ones(folder):
    controls = pd.read_parquet(folder / "tables" / "controls.parquet").set_index("condition")
    cka = controls["value"]
    assert cka["rotated"] == pytest.approx(cka["as it is"], abs=1e-9)
    assert cka["as it is"] > cka["shuffled in time"] + 0.2
    assert cka["as it is"] > cka["shuffled among all"] + 0.2
    own = pd.read_parquet(folder / "tables" / "rotated-neurons.parquet").set_index("condition")
    assert own.loc["itself", "value"] == pytest.approx(1)
    assert own.loc["rotated", "value"] < 0.9


def test_every_grain_is_measured_between_and_within_and_what_is_kept_is_their_quotient(folder):
    grains = pd.read_parquet(folder / "tables" / "grains.parquet").set_index("compared")
    assert len(grains.columns) == 8
    kept = grains.loc["between objectives"] / grains.loc["adjacent layers"]
    sound = grains.loc["retention"].dropna()
    pd.testing.assert_series_equal(kept[sound.index], sound, check_names=False)
    assert set(grains) - set(sound.index) <= {"Frobenius"}
    # neighbours in one residual stream share neurons, networks of other random starts do not
    assert grains.loc["adjacent layers", "best neuron"] > grains.loc["untrained", "best neuron"]
    tuned = pd.read_parquet(folder / "tables" / "tuned.parquet")
    assert len(tuned) == 8
    assert tuned["value"].between(0, 1.01).all()
