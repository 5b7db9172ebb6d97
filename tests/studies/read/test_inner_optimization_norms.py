"""The study in its tiny preset: a network that has learnt its language moves states where the loss
falls.
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
        return run_study(
            "inner-optimization-norms", "tiny", out=tmp_path_factory.mktemp("run") / "r"
        )


def test_the_verdicts_are_those_that_the_card_expects(folder):
    assert unexpected(folder) == []


def test_the_claims_have_their_direction(folder):
    claims = {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}
    assert set(claims) == {"aligned", "untrained", "falls"}
    assert (
        abs(claims["untrained"]["value"]) < 0.03
    )  # the criterion is for more tokens than the toy has
    assert claims["aligned"]["null"]["draws"] == 199
    assert claims["falls"]["null"]["draws"] == 5
    for claim in claims.values():
        assert claim["low"] is not None
    assert claims["aligned"]["null"]["mean"] < 0.2
    assert claims["falls"]["null"]["mean"] < 0.7


def test_only_the_true_token_and_the_own_layer_are_aligned(folder):
    rows = pd.read_parquet(folder / "tables" / "cosine.parquet")
    last = rows[rows["layer"] >= 2].groupby("series")["value"].mean()
    assert last["true next token"] > 0.1
    for other in ("token of the same frequency", "random step", "untrained model"):
        assert last[other] < 0.05, other


def test_training_makes_the_alignment(folder):
    rows = pd.read_parquet(folder / "tables" / "training.parquet").set_index("training step")
    assert list(rows.index) == ["0", "50", "end"]
    assert abs(rows.loc["0", "cosine, true − wrong"]) < 0.05
    assert rows.loc["end", "cosine, true − wrong"] > 0.2
    assert rows.loc["end", "loss"] < rows.loc["0", "loss"]


def test_the_loss_is_the_models_own_at_the_last_layer(folder):
    rows = pd.read_parquet(folder / "tables" / "loss.parquet")
    after = rows[rows["series"] == "loss after the block"].set_index("layer")["value"]
    assert list(after.index) == [-1, 0, 1, 2, 3]
    assert after[3] < after[-1]


def test_the_toy_network_is_not_asked_about_other_texts(tmp_path):
    with pytest.raises(StudyError, match="give both --model and --data"):
        run_study("inner-optimization-norms", "tiny", out=tmp_path / "r", data="library-text")
