"""The study in its tiny preset: exact maps of a toy network, and an ordinary Jacobian that is
none.
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
    return run_study("detached-jacobian", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_verdicts_are_those_of_the_card(folder):
    assert unexpected(folder) == []


def test_the_map_is_exact_and_the_ordinary_jacobian_is_not(claims):
    assert claims["float64"]["value"] < 1e-12
    assert claims["ordinary"]["value"] > 1000 * claims["float32"]["value"]


def test_patches_leave_the_logits(claims):
    assert claims["unchanged"]["beside"][0]["value"] > 0.05  # another prompt has other logits


def test_singular_vectors_name_the_next_token_more_than_another(folder, claims):
    assert claims["named"]["value"] > claims["mismatched"]["value"] + 0.2
    named = pd.read_parquet(folder / "tables" / "named.parquet").set_index("condition")["value"]
    assert named["next token"] == claims["named"]["value"]
    assert named["another prompt's token"] == claims["mismatched"]["value"]
    assert named["next token, by each token's map"] == claims["named-each"]["value"]
    own, other = (claims[f"{id}-each"]["value"] for id in ("named", "mismatched"))
    assert own > other


def test_the_figures_and_the_answer_are_there(folder):
    record = json.loads((folder / "run.json").read_text())
    figures = {s["name"] for s in record["sections"] if s["kind"] == "figure"}
    assert figures == {"spectrum", "rank", "named"}
    assert record["answer"].startswith("Yes.")
    assert len(pd.read_parquet(folder / "tables" / "exact.parquet")) == 20


def test_long_texts_are_refused(tmp_path):
    data = tmp_path / "long.csv"
    data.write_text("text\n" + "\n".join("the city of baba is " * 5 for _ in range(3)) + "\n")
    with pytest.raises(StudyError, match="Fewer than two texts have 4 to 12 tokens"):
        _run_with(data, tmp_path / "r")


def _run_with(data, out):
    """The toy network on other texts: a world goes with its own data only, so the pair is opened by
    hand.
    """
    from inscape.study import opening
    from inscape.worlds.relations import relations

    model = relations(steps=1).model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "open", lambda _: model)
        run_study("detached-jacobian", "tiny", out=out, model="toy", data=str(data))
