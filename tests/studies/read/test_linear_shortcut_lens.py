"""The study in its tiny preset: in a small network that speaks its language, maps say more than the
states do.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("linear-shortcut-lens", "tiny", out=tmp_path_factory.mktemp("run") / "r")


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_early_exit_is_compared_at_equal_retention(folder):
    rows = pd.read_parquet(folder / "tables" / "exit.parquet")
    rows = rows.set_index(["lens", "threshold"])["value"]
    assert set(rows.index.get_level_values(1)) == {"constant", "decaying"}
    for threshold in ("constant", "decaying"):
        assert rows["linear map", threshold] < rows["shuffled tokens", threshold] - 0.3
    assert rows.between(1, 4).all()


def test_no_token_exits_before_the_first_block(folder):
    spec = json.loads((folder / "figures" / "exit.json").read_text())
    points = pd.DataFrame(next(iter(spec["datasets"].values())))
    assert points["layer"].min() == 1
    assert points["value"].max() == 1


def test_maps_explain_more_than_states_and_shuffled_ones_nothing(folder):
    rows = pd.read_parquet(folder / "tables" / "explained.parquet")
    r2 = rows.pivot(index="site", columns="lens", values="R²")
    assert (r2["linear map"] > r2["logit lens"]).all()
    assert (r2["linear map"] > r2["mean shift"]).all()
    assert r2["shuffled tokens"].abs().max() < 0.1
    assert (r2["linear map"] >= r2["low-rank map"] - 0.02).all()


def test_a_linear_part_costs_less_than_its_mean(folder):
    rows = pd.read_parquet(folder / "tables" / "replaced.parquet")
    assert {part.split(",")[0] for part in rows["part"]} == {"attention", "MLP", "norm"}
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert {"precision", "kl", "exit", "replaced"} <= figures


def test_the_toy_network_is_not_asked_about_other_texts(tmp_path):
    with pytest.raises(StudyError, match="give both --model and --data"):
        run_study("linear-shortcut-lens", "tiny", out=tmp_path / "r", data="library-text")
