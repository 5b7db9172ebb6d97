"""Records of runs, kept so that a page of results can be made again without the run folders."""

from __future__ import annotations

import json
import shutil

import pytest

from inscape.core.errors import RunError
from inscape.report.kept import keep, kept_run
from inscape.report.results import results


def test_a_page_from_records_is_the_page_from_runs(folder, tmp_path):
    plain = results([folder], tmp_path / "plain" / "page.md").read_text()
    first = results([folder], tmp_path / "page.md", tmp_path / "records").read_text()
    again = results([], tmp_path / "page.md", tmp_path / "records").read_text()
    assert first == again
    missing = "Not run yet by this version: "
    assert missing in first
    assert [line for line in first.split("\n") if missing not in line and line] == [
        line for line in plain.split("\n") if line
    ]


def test_a_run_takes_the_place_of_its_like_and_stands_beside_another_seed(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    assert len(keep([folder, run], tmp_path / "records")) == 1
    record = json.loads((run / "run.json").read_text())
    record["seed"] += 1
    record["answer"] = "Another seed."
    (run / "run.json").write_text(json.dumps(record))
    both = keep([run], tmp_path / "records")
    assert [r.record["seed"] for r in both] == [record["seed"] - 1, record["seed"]]
    assert both[1].record["answer"] == "Another seed."


def test_what_is_no_record_is_named_and_left(folder, tmp_path):
    (file,) = [r.path for r in keep([folder], tmp_path / "records")]
    for text in ("{", "[]", '{"run": 3, "claims": [], "certificates": []}'):
        file.write_text(text)
        with pytest.raises(RunError, match=file.name):
            kept_run(file)
        with pytest.raises(RunError, match="was not written by this command"):
            keep([folder], tmp_path / "records")
        assert file.read_text() == text
