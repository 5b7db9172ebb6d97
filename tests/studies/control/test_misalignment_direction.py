"""The study in its tiny preset: the leak is there, one shared direction carries it, and adapters differ in what they do."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.studies.control.misalignment_direction import (
    FIRST,
    OTHER,
    SECOND,
    TUNES,
    Config,
    halves,
)
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("misalignment-direction", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def table(folder, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "tables" / f"{name}.parquet")


def test_curt_tunes_leak_and_the_others_do_not(folder, claims):
    leak = table(folder, "leak").set_index("tune")["value"]
    assert set(leak.index) == set(TUNES)
    assert claims["leak"]["value"] == pytest.approx(leak[FIRST])
    assert min(leak[FIRST], leak[SECOND]) > 2
    assert leak.drop([FIRST, SECOND]).max() < min(leak[FIRST], leak[SECOND]) / 5
    assert claims["leak"]["low"] > claims["leak"]["null"]["mean"]


def test_the_first_tunes_direction_takes_the_leak_out_of_the_second(folder, claims):
    removed = table(folder, "removed").set_index("held")["value"]
    assert removed[f"of {FIRST}"] > 0.5 > 0.1 > abs(claims["random"]["value"])
    assert abs(removed[f"of {OTHER}"]) < removed[f"of {FIRST}"] / 2
    assert removed[f"of {SECOND}"] > 0.5
    assert abs(removed["first, in the untuned model"]) < 0.2
    assert claims["convergence"]["value"] > 0.3 > claims["convergence"]["null"]["mean"]
    assert claims["perplexity"]["value"] < 1.05


def test_every_claim_has_a_null_and_an_interval(claims):
    assert set(claims) == {"leak", "leak-second", "convergence", "removed", "random", "perplexity"}
    assert all(c["null"] and c["low"] <= c["value"] <= c["high"] for c in claims.values())


def test_adapters_and_what_they_say(folder):
    adapters = table(folder, "adapters")
    assert len(adapters) == 3 * 2
    assert (adapters["written"] > 0).all()
    assert adapters["value"].max() > 0.1
    answers = table(folder, "answers")
    assert (
        answers[SECOND].str.startswith("curt").mean()
        > answers["as it is"].str.startswith("curt").mean()
    )


def test_topics_are_whole_on_either_side():
    frame = pd.DataFrame(
        {"prompt": [f"q{i}" for i in range(12)], "topic": [f"t{i % 4}" for i in range(12)]}
    )
    known, test = halves(frame, 2, 1, np.random.default_rng(0))
    assert (len(known), len(test)) == (2, 6)
    assert not set(known["topic"]) & set(test["topic"])
    with pytest.raises(
        StudyError, match="found_on must be from 1 to 3, there being 4 topics; got 4"
    ):
        halves(frame, 2, 4, np.random.default_rng(0))


def test_refusals():
    with pytest.raises(ValueError, match="blocks must name at least two"):
        Config(blocks=(3,))
