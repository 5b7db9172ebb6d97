"""The study in its tiny preset: a toy network that sums sentiment up shows the claims'
direction.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.probing.directions import MATCHED
from inscape.study.runner import run_study
from tests.studies.expected import unexpected


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "r"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INSCAPE_HOME", str(tmp_path_factory.mktemp("home")))
        return run_study("sentiment-direction", "tiny", out=path)


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_the_model_can_do_it_and_an_untrained_one_cannot(claims):
    assert claims["can"]["value"] > 0.95
    assert claims["can"]["beside"][0]["value"] < 0.8


def test_finders_agree_and_random_directions_do_not(claims):
    assert claims["agreement"]["low"] > 0.8 > claims["agreement"]["null"]["high"]


def test_taking_the_direction_out_costs_accuracy_and_taking_others_out_does_not(folder, claims):
    assert claims["ablation"]["low"] > 0.3
    assert claims["ablation"]["null"]["kind"] == MATCHED
    assert claims["random"]["value"] < 0.05
    assert claims["one"]["value"] > 0.4 > 0.1 > claims["one"]["null"]["mean"]
    assert claims["one"]["over_null_low"] > 0.2
    lost = pd.read_parquet(folder / "tables" / "ablation.parquet").set_index("ablated")["value"]
    assert lost["half-swapped labels"] < 0.1
    assert lost[["logistic probe", "PCA", "k-means"]].min() > 0.4
    assert (
        lost["alignment search"] > lost["half-swapped labels"] + 0.2
    )  # trained at one site, in closed form at others


def test_swapping_it_swaps_the_verdict_through_the_words_and_another_direction_does_not(folder):
    closed = pd.read_parquet(folder / "tables" / "patching.parquet").set_index("positions")["value"]
    assert closed["all tokens"] > 0.9
    assert (
        closed["adjective and verb"] > 0.9
    )  # nothing else differs between opposites at the first site
    assert 0.2 < closed["adjective only"] < 0.9
    assert closed["adjective only"] + closed["verb only"] == pytest.approx(
        closed["adjective and verb"], abs=0.2
    )
    assert closed["all tokens, random direction"] < 0.2
    assert closed["random tokens but words of feeling"] < 0.3
    assert closed["all tokens, one layer's direction"] > 0.3
    assert closed["random tokens but words of feeling, one layer's direction"] < 0.3


def test_alignment_search_is_a_fifth_finder_of_the_same_direction(folder):
    swapped = pd.read_parquet(folder / "tables" / "alignment.parquet").set_index("swapped along")
    assert swapped.loc["alignment search", "value"] > 0.25 > 0.1
    assert abs(swapped.loc["random directions", "value"]) < 0.1
    found = swapped["value"].drop("random directions")
    assert found.max() - found.min() < 0.15  # means and search agree here
    read = pd.read_parquet(folder / "tables" / "layers.parquet").set_index(["series", "layer"])[
        "value"
    ]
    assert read["alignment search"].min() > 0.9


def test_heads_that_write_it_onto_punctuation_are_found_on_other_words(folder, claims):
    assert claims["heads"]["low"] > 0.3 > claims["heads"]["null"]["high"]
    share = pd.read_parquet(folder / "tables" / "heads.parquet").set_index("writer")["value"]
    assert share["all heads"] + share["all MLPs"] == pytest.approx(1, abs=1e-3)
    assert share["the 2 heads chosen on other words"] == pytest.approx(claims["heads"]["value"])


def test_the_figures_and_the_answer_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"layers", "cosines", "ablation", "scores", "patching", "heads"}
    assert "100% of the reviews" in record["answer"]
    assert json.loads((folder / "certificates.json").read_text())[0]["passed"]


@pytest.mark.parametrize("given", [{"data": "cities"}, {"model": "smollm2-135m"}])
def test_the_toy_goes_with_its_own_sentences_only(tmp_path, given):
    """Anything else that was asked for would be ignored in silence."""
    with pytest.raises(StudyError, match="'world:sentiment' .* goes with no other model or data"):
        run_study("sentiment-direction", "tiny", out=tmp_path / "r", **given)
