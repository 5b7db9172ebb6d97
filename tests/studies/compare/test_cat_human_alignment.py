"""The study in its tiny preset: every layer of every kind of network, and pairs against shuffled
pairs.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("cat-human-alignment", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_pairs_are_nearer_than_shuffled_pairs_at_every_layer(folder):
    frame = pd.read_parquet(folder / "tables" / "layers.parquet")
    assert frame.groupby(["kind", "trained"]).size().tolist() == [8, 8, 6, 6, 6, 6]
    assert (frame["CKA"] > frame["CKA, shuffled"]).all()
    assert frame["CKA, shuffled"].abs().max() < 0.5


def test_training_is_judged_at_the_first_layer_and_checks_hold_untrained_networks_too(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert {id for id, c in claims.items() if c["sanity"]} == {"paired", "mantel", "strength"}
    frame = pd.read_parquet(folder / "tables" / "layers.parquet")
    wide = frame[frame["layer"] == 1].pivot(index="kind", columns="trained")
    for id, measure in (("learned", "CKA"), ("ranks", "RSA")):
        least = (wide[measure][True] - wide[measure][False]).min()
        assert claims[id]["value"] == pytest.approx(least)
    tests = pd.read_parquet(folder / "tables" / "mantel.parquet")
    assert len(tests) == 3 * 2 * 3
    assert claims["mantel"]["value"] == tests["p"].max()
    strengths = pd.read_parquet(folder / "tables" / "strengths.parquet")
    assert len(strengths) == 3 * 2 * 6
    full = strengths[strengths["strength"] == 1.0].set_index("condition")["value"]
    kinds = pd.read_parquet(folder / "tables" / "kinds.parquet").set_index("condition")["value"]
    assert full.to_dict() == pytest.approx(kinds[full.index].to_dict())
