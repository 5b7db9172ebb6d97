"""The study in its tiny preset: planted blocks, and every system at the judgements' edges."""

from __future__ import annotations

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "r"
    return run_study("ollivier-ricci-alignment", "tiny", out=out)


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_every_system_is_compared_with_the_judgements(folder):
    local = pd.read_parquet(folder / "tables" / "local.parquet").set_index("condition")["value"]
    assert set(local.index) == {"untrained", "network", "aligned network", "rewired graph"}
    assert local.between(-1, 1).all()
    parts = pd.read_parquet(folder / "tables" / "communities.parquet").set_index("condition")
    assert set(parts.index) == set(local.index)
    assert parts["value"].max() <= 1
    systems = pd.read_parquet(folder / "tables" / "systems.parquet").set_index("system")
    assert systems["communities"].between(1, 24).all()
    # alignment changes the space, so it must change what is measured of it
    cka = systems["CKA with the judgements"]
    assert cka["aligned network"] != cka["network"]
