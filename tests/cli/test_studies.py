"""list, show, run and report on an outside package's studies."""

import json

import pytest
from typer.testing import CliRunner

from inscape.cli.main import app
from inscape.report import build as builds


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="inscape")


@pytest.fixture
def fake_report(monkeypatch):
    """Drawing figures takes seconds; here only that the report is asked for, and of which
    folder."""
    drawn = []

    def build(path):
        drawn.append(path)
        return path / "report.html"

    monkeypatch.setattr(builds, "build", build)
    return drawn


def test_list_shows_rooms_and_titles(outside):
    result = call("list", "--room", "toys")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "toys",
        "  toy-alone  2000  Nothing at All",
        "  toy-mean   1809  The Mean of a Sample",
        "",
        "2 studies. 'inscape show STUDY' describes one.",
    ]
    cards = json.loads(call("list", "--json").stdout)
    assert {"toy-alone", "toy-mean"} <= {c["slug"] for c in cards}


def test_list_goes_on_past_a_broken_study(outside, tmp_path, monkeypatch):
    site = tmp_path / "site"
    (site / "broken-1.dist-info").mkdir(parents=True)
    (site / "broken-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: broken\nVersion: 1\n"
    )
    (site / "broken-1.dist-info" / "entry_points.txt").write_text(
        "[inscape.studies]\nbad = broken_study\n"
    )
    (site / "broken_study.py").write_text("CARD = make_card()\n")
    monkeypatch.syspath_prepend(str(site))
    result = call("list")
    assert result.exit_code == 0
    assert "toy-mean" in result.stdout
    assert "inscape: left out: " in result.stderr
    assert "must be written CARD = Card(" in result.stderr


def test_show_says_claim_presets_minutes_and_settings(outside):
    text = call("show", "toy-mean").stdout
    for part in (
        "The Mean of a Sample\nGauss, 1809. https://arxiv.org/abs/2310.02207",
        "Claim      The sample mean approaches the true mean as the sample grows.",
        "Controls   draws with mean 0",
        "Criterion  The sample mean is near the true mean: at least 1.",
        "tiny   about 1 seconds on two cores",
        "small  about 3 minutes on two cores",
        "full   time not stated",
        "n  (a whole number)\n      How many draws.\n      tiny: 20, small: 100, full: 1000",
        "names  (a list a,b,c of texts)",
        "always a,b",
        "Run it: inscape run toy-mean --preset tiny",
    ):
        assert part in text
    found = json.loads(call("show", "toy-mean", "--json").stdout)
    assert found["card"]["year"] == 1809
    assert found["settings"][0]["presets"] == {"tiny": 20, "small": 100, "full": 1000}


def test_run_ends_with_answer_claims_and_report(outside, fake_report, tmp_path):
    result = call(
        "run", "toy-mean", "--preset", "tiny", "--out", "r", "--seed", "4", "--set", "n=50"
    )
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert text.startswith("The mean of 50 draws is ")
    assert (
        "Claims: 1 supported, 1 not supported supported The sample mean is near the true mean: "
        in text
    )
    assert "criterion at least 1, null " in text
    assert "NOT SUPPORTED The sample mean is beyond reach: " in text
    assert "Warnings: - This is a toy." in text
    assert text.endswith("Report: r/report.html")
    assert "toy-mean, preset tiny, seed 4" in result.stderr
    assert [str(p) for p in fake_report] == ["r"]
    assert (tmp_path / "r" / "done").exists()


def test_run_prints_json_and_nothing_else_on_standard_output(outside, fake_report):
    result = call("run", "toy-mean", "--preset", "tiny", "--json", "--model", "mine")
    found = json.loads(result.stdout)
    assert found["study"] == "toy-mean"
    assert [c["verdict"] for c in found["claims"]] == ["supported", "not supported"]
    assert found["report"].startswith("runs/toy-mean-tiny-")
    assert found["report"].endswith("/report.html")


def test_quiet_shows_no_log_and_leaves_the_loggers_as_they_were(outside, fake_report):
    import logging

    before = logging.getLogger("inscape").handlers[:]
    assert call("run", "toy-alone", "--preset", "tiny", "--quiet").stderr == ""
    assert "seed 7" in call("run", "toy-alone", "--preset", "tiny").stderr
    assert logging.getLogger("inscape").handlers == before


def test_a_report_that_fails_loses_no_run(outside, monkeypatch, tmp_path):
    def build(path):
        raise OSError(28, "No space left on device", "report.html")

    monkeypatch.setattr(builds, "build", build)
    result = call("run", "toy-alone", "--preset", "tiny", "--quiet", "--out", "r")
    assert result.exit_code == 1
    assert (
        "The run itself is complete, in r; draw it again with: inscape report r." in result.stderr
    )
    assert (tmp_path / "r" / "done").exists()


def test_report_draws_again_and_compares(outside, tmp_path):
    for seed in "12":
        assert (
            call(
                "run", "toy-alone", "--preset", "tiny", "--quiet", "--out", seed, "--seed", seed
            ).exit_code
            == 0
        )
    assert (tmp_path / "1" / "report.html").exists()
    (tmp_path / "1" / "report.html").unlink()
    result = call("report", "1", "2")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "1" / "report.html").exists()
    assert "The seed is 1." in result.stdout
    assert "Comparison: " in result.stdout
    found = json.loads(call("report", "2", "--json").stdout)
    assert found["comparison"] is None
    assert found["runs"][0]["answer"] == "The seed is 2."


def test_a_damaged_run_folder_is_a_sentence(outside, fake_report):
    assert call("run", "toy-alone", "--preset", "tiny", "--quiet", "--out", "r").exit_code == 0
    with open("r/claims.json", "w") as file:
        file.write("{")
    result = call("report", "r")
    assert result.exit_code == 1
    assert "r/claims.json cannot be read" in result.stderr
