"""``inscape probe``: from a CSV to a report whose title is the question, and what it refuses."""

import json

import pytest
from typer.testing import CliRunner

from inscape.cli import probe as command
from inscape.cli.main import app
from inscape.model.model import Model
from tests.model import nets


def call(*arguments):
    return CliRunner().invoke(app, ["probe", *arguments], prog_name="inscape")


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """A random network instead of whatever is asked for; caches go to a temporary folder."""
    model = Model(nets.net("llama"), nets.tokenizer(), "tiny")
    monkeypatch.setattr(command, "open_model", lambda *_: model)
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{a} {b} is {q} {e},<i>{q}</i>"
        for a in ("river", "sea", "film", "mountain", "capital", "London")
        for b in ("Paris", "London", "a film")
        for q in ("good", "bad")
        for e in (".", "!")
    ]
    (tmp_path / "mine.csv").write_text("text,mood\n" + "\n".join(rows) + "\n")
    return model


ASK = ("m", "mine.csv", "--input", "text", "--labels", "mood", "--shuffles", "19", "--folds", "3")


def test_a_csv_becomes_a_report_whose_title_is_the_question(tiny, tmp_path):
    result = call(*ASK, "--to", "out")
    assert result.exit_code == 0, result.output
    assert "a linear probe predicts mood with balanced accuracy" in " ".join(result.stdout.split())
    assert "Report: out/report.html" in result.stdout
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<h1>Can mood be read from the activations of tiny?</h1>" in page
    assert "held-out groups" not in page
    assert "<i>good</i>" not in page
    # no paper is reproduced, so none is cited
    assert "@article" not in page
    assert "What was asked" not in page
    # the first figure stands before the claims
    assert page.index('id="figure-1"') < page.index('id="claims"')
    assert page.count('id="figure-1"') == 1
    assert "Preset" not in page
    # the corrected command is not blocked by a refused one, and a run is never overwritten
    again = call(*ASK, "--to", "out")
    assert "already holds something" in again.stderr


def test_a_refused_question_leaves_no_folder(tiny, tmp_path):
    result = call("m", "mine.csv", "--input", "txt", "--labels", "mood", "--to", "out")
    assert result.exit_code == 1
    assert "'txt'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_json_and_a_wrong_task(tiny):
    found = json.loads(call(*ASK, "--json", "--quiet").stdout)
    assert found["study"] == "probe"
    assert [c["id"] for c in found["claims"]] == ["mood-above-chance", "mood-beyond-input"]
    assert call(*ASK, "--task", "guess").exit_code == 2
