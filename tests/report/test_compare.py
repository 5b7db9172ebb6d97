"""Several runs beside each other, claim by claim."""

import json
import re
import shutil

import pytest

from inscape.core.errors import RunError
from inscape.report.compare import index


def _like(folder, to, **changed):
    copy = shutil.copytree(
        folder, to, ignore=shutil.ignore_patterns("report.*", "*.png", "*.svg", "*.pdf")
    )
    record = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps(record | changed))
    return copy


def test_runs_of_a_study_share_rows_and_others_have_their_own(folder, tmp_path):
    runs = [
        _like(folder, tmp_path / "first"),
        _like(folder, tmp_path / "second", seed=8),
        _like(folder, tmp_path / "third", study="other", answer="<u>No</u>"),
    ]
    claims = json.loads((runs[1] / "claims.json").read_text())[:1]
    (runs[1] / "claims.json").write_text(
        json.dumps([claims[0] | {"verdict": "uncertain", "value": 0.05}])
    )
    path = index(runs)
    text = path.read_text()
    assert path == tmp_path / "index.html"
    assert text.count("Longitude is readable") == 4  # a strip and a table for each study
    assert text.count('class="kicker"') == 2
    assert "not in this run" in text
    assert "1 supported, 1 not supported" in text
    assert "1 uncertain" in text
    assert 'href="second/report.html"' in text
    assert "seed 8" in text
    assert "&lt;u&gt;No&lt;/u&gt;" in text


def test_runs_of_a_study_are_drawn_over_each_other(folder, tmp_path):
    runs = [_like(folder, tmp_path / "a"), _like(folder, tmp_path / "b", seed=8)]
    text = index(runs).read_text()
    (held,) = re.findall(r'id="figures">(.*?)</script>', text, re.DOTALL)
    specs = json.loads(held)["specs"]
    # curves are overlaid; a map and bars in two panels are not
    assert list(specs) == ["toy-space.score_by_layer"]
    columns = [d["columns"] for d in json.loads(held)["data"]]
    assert all("run" in c for c in columns)
    rows = next(d for d in json.loads(held)["data"] if "layer" in d["columns"])
    at = rows["columns"].index("run")
    assert {row[at] for row in rows["rows"]} == {"seed 7", "seed 8"}
    # one picture a claim, with the value of each run
    first = re.search(r"Longitude is readable.*?</svg>", text, re.DOTALL)[0]
    assert first.count("<circle") == 2


def test_a_run_alone_and_runs_of_other_models_are_named_by_what_differs(folder, tmp_path):
    assert 'id="figures"' not in index([folder], to=tmp_path / "one.html").read_text()
    runs = [_like(folder, tmp_path / name) for name in ("a", "b")]
    certificates = json.loads((runs[1] / "certificates.json").read_text())
    certificates[0]["model"] = "another-model"
    (runs[1] / "certificates.json").write_text(json.dumps(certificates))
    text = index(runs).read_text()
    assert '"another-model"' in text
    assert '"toy-model"' in text


def test_the_page_can_be_written_elsewhere(folder, tmp_path):
    (tmp_path / "site").mkdir()
    path = index([folder], to=tmp_path / "site" / "compare.html")
    assert f'href="{(folder / "report.html").as_uri()}"' in path.read_text()


def test_no_run_or_no_place_is_refused(folder, tmp_path):
    with pytest.raises(RunError, match="There is no run to compare"):
        index([])
    with pytest.raises(RunError, match=r"Cannot write .*index\.html"):
        index([folder], to=tmp_path / "missing" / "index.html")


def test_a_page_of_somebody_else_is_not_written_over(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "index.html").write_text("<!doctype html><title>My site</title>")
    with pytest.raises(RunError, match=r"index\.html already exists and was not written by this"):
        index([tmp_path / "run"])
    assert (tmp_path / "index.html").read_text() == "<!doctype html><title>My site</title>"
    (tmp_path / "index.html").unlink()
    assert index([tmp_path / "run"]) == index([tmp_path / "run"])
