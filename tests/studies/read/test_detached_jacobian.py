"""The study in its tiny preset: exact maps of a toy network, and an ordinary Jacobian that is none."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from inscape.core.errors import StudyError
from inscape.study.runner import run_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_study("detached-jacobian", "tiny", out=tmp_path_factory.mktemp("run") / "r")


@pytest.fixture(scope="module")
def claims(folder):
    return {c["id"]: c for c in json.loads((folder / "claims.json").read_text())}


def test_the_map_is_exact_and_the_ordinary_jacobian_is_not(claims):
    assert claims["float32"]["passed"]
    assert claims["float64"]["value"] < 1e-12
    assert claims["ordinary"]["low"] > 0.2
    assert claims["float32"]["null"]["low"] > 1000 * claims["float32"]["value"]


def test_patches_leave_the_logits(claims):
    assert claims["unchanged"]["passed"]
    assert claims["unchanged"]["null"]["mean"] > 0.05  # another prompt has other logits


def test_singular_vectors_name_the_next_token_more_than_another(claims):
    assert claims["named"]["passed"]
    assert claims["named"]["value"] > claims["mismatched"]["value"] + 0.2


def test_every_number_has_what_it_is_compared_with(folder, claims):
    for claim in claims.values():
        assert claim["null"] is not None, claim["id"]
        assert claim["low"] is not None, claim["id"]
    record = json.loads((folder / "run.json").read_text())
    assert {s["name"] for s in record["sections"] if s["kind"] == "figure"} == {"spectrum", "rank"}
    assert record["answer"].startswith("Yes.")
    assert len(pd.read_parquet(folder / "tables" / "exact.parquet")) == 20


def test_long_texts_are_refused(tmp_path):
    data = tmp_path / "long.csv"
    data.write_text("text\n" + "\n".join("the city of baba is " * 5 for _ in range(3)) + "\n")
    with pytest.raises(StudyError, match="Fewer than two texts have 4 to 12 tokens"):
        _run_with(data, tmp_path / "r")


def _run_with(data, out):
    """The toy network on other texts: the world is asked for by name only, so the pair is opened by hand."""
    from inscape.studies.read import detached_jacobian as study
    from inscape.worlds.relations import relations

    model = relations(steps=1).model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "open", lambda _: model)
        run_study("detached-jacobian", "tiny", out=out, model="toy", data=str(data))
