"""The command line starts light, explains itself, and ends every failure with one sentence and
an exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from inscape.cli.errors import explain
from inscape.cli.main import app
from inscape.core.errors import StudyError
from inscape.study.folder import explain as explain_disk

HEAVY = ("torch", "transformers", "pandas", "numpy", "lance", "altair", "sklearn", "rich")


def call(*arguments):
    return CliRunner().invoke(app, list(arguments), prog_name="inscape")


def one_line(result):
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("inscape: ")
    assert "Traceback" not in result.output
    return lines[0]


def test_help_imports_nothing_heavy_and_shows_every_command():
    code = (
        "import sys\nsys.argv = ['inscape', '--help']\nfrom inscape.cli.main import main\n"
        f"try:\n    main()\nexcept SystemExit:\n    print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    for command in (
        "list",
        "show",
        "run",
        "report",
        "certify",
        "sites",
        "fetch",
        "data",
        "harvest",
    ):
        assert f"\n  {command} " in done.stdout
    assert done.stdout.count("    inscape ") == 3
    # under headings, one's own question first; no line is cut short
    found = [line for line in done.stdout.splitlines() if re.fullmatch(r"[A-Z][^.]*:", line)]
    assert found[:3] == ["Options:", "Your own question:", "Look inside:"]
    assert "..." not in done.stdout.partition("Your own question:")[2].partition("Examples:")[0]


@pytest.mark.parametrize("line", [["run", "x"], ["audit", "m", "v", "--data", "d"]])
@pytest.mark.parametrize("name", ["--to", "--out"])
def test_a_run_folder_is_named_by_either_option(line, name):
    command = typer.main.get_command(app).commands[line[0]]
    assert command.make_context(line[0], [*line[1:], name, "here"]).params["out"] == Path("here")


@pytest.mark.parametrize(
    "command", ["list", "show", "run", "report", "certify", "sites", "fetch", "data", "harvest"]
)
def test_every_option_is_explained(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    options = [o for o in app.registered_commands if o.name == command]
    assert options[0].callback.__doc__.splitlines()[0] in result.stdout
    listed = result.stdout.partition("Options:")[2].partition("Examples:")[0]
    entries = re.split(r"\n  (?=--)", listed)[1:]
    assert len(entries) >= 2
    for entry in entries:
        assert len(re.split(r"\s{2,}", entry.strip(), maxsplit=1)) == 2, f"no help beside {entry!r}"


@pytest.mark.parametrize("command", [c.name for c in app.registered_commands])
def test_every_command_has_examples_and_names_types_plainly(command):
    text = call(command, "--help").stdout
    examples = text.partition("  Examples:\n")[2].split("\n")
    shown = [line.strip() for line in examples if line.strip()]
    assert shown
    assert all(line.startswith("inscape ") for line in shown)
    assert any(line.split()[1] == command for line in shown)
    assert not re.search(r"list\[|range>|Path", text)


def test_the_version_is_that_of_the_package():
    import inscape

    assert call("--version").stdout.strip() == inscape.__version__


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'? Try 'inscape --help'."),
        (["run", "x", "--presett", "a"], "No such option: --presett"),
        (["run"], "Missing argument 'STUDY'. Try 'inscape run --help'."),
        (["run", "x", "--seed", "soon"], "Invalid value for '--seed': "),
        (["probe", "m", "d", "--seed", str(2**63)], "a seed lies between −2^63 and 2^63 − 1"),
        (["compare", "a", "b", "--seed", str(2**63)], "a seed lies between −2^63 and 2^63 − 1"),
        (
            ["run", "x", "--set", "folds"],
            "Invalid value for '--set': write --set NAME=VALUE, got 'folds'.",
        ),
        (
            ["harvest", "m", "d", "--span", "a=b"],
            "write --span NAME=START,END with two columns, got 'a=b'",
        ),
        (
            ["harvest", "m", "d", "--on", "spark"],
            "Invalid value for '--on': local, ray or ray://HOST:PORT, not 'spark'.",
        ),
        (
            ["harvest", "m", "d", "--workers", "2"],
            "Invalid value for '--workers': only --on ray has workers",
        ),
    ],
)
def test_a_wrong_line_is_one_sentence_and_exit_code_2(arguments, sentence):
    result = call(*arguments)
    assert result.exit_code == 2
    assert sentence in one_line(result)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "toy-men"], "There is no study 'toy-men'. Did you mean 'toy-mean'"),
        (["show", "toy-men"], "There is no study 'toy-men'. Did you mean 'toy-mean'"),
        (
            ["list", "--room", "toy"],
            "There are no studies in 'toy'. Did you mean 'toys'?",
        ),
        (["run", "toy-mean", "--preset", "smal"], "has no preset 'smal'. Did you mean 'small'?"),
        (["run", "toy-mean", "--set", "nn=1"], "There is no setting 'nn'. Did you mean 'n'?"),
        (
            ["run", "toy-mean", "--set", "n=many"],
            "The setting 'n' needs a whole number, got 'many'.",
        ),
        (["run", "toy-mean", "--seed", str(2**63)], "A seed lies between −2^63 and 2^63 − 1"),
        (["run", "toy-mean", "--data", "cities"], "The study 'toy-mean' does not take --data"),
        (
            ["run", "toy-mean", "--out", "taken"],
            "already holds something, and a run never overwrites",
        ),
        (
            ["run", "toy-mean", "--out", "taken/file/run"],
            "a part of this path is a file, not a folder",
        ),
        (["report", "nowhere"], "There is no run folder nowhere"),
        (["report", "taken"], "not a run folder"),
        (["sites", "not/a/model"], "not/a/model"),
        (["certify", "smollm2-135"], "Did you mean 'smollm2-135m'"),
        (["fetch", "smollm2-135"], "Did you mean 'smollm2-135m'"),
        (["data", "citys"], "Did you mean 'cities'"),
        (["harvest", "smollm2-135m", "citys"], "Did you mean 'cities'"),
    ],
)
def test_a_wrong_name_is_one_sentence_and_exit_code_1(outside, tmp_path, arguments, sentence):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    result = call(*arguments)
    assert result.exit_code == 1, result.output
    assert sentence in one_line(result)
    assert (tmp_path / "taken" / "file").read_text() == "mine"
    assert not (tmp_path / "runs").exists()


def test_an_unexpected_error_names_itself_and_debug_shows_where(outside, monkeypatch):
    result = call("run", "toy-mean", "--preset", "tiny", "--quiet", "--set", "fail=bug")
    assert result.exit_code == 1
    line = one_line(result)
    assert line.startswith(
        "inscape: ZeroDivisionError: division by zero. What was measured so far is kept in runs/toy"
    )
    assert line.endswith("(unfinished). Add --debug to see where it happened.")
    assert "Traceback" in call("run", "toy-mean", "--set", "fail=bug", "--debug").stderr
    monkeypatch.setenv("INSCAPE_DEBUG", "1")
    assert "Traceback" in call("run", "toy-mean", "--set", "fail=bug").stderr


def test_a_full_disk_anywhere_is_a_sentence(outside):
    result = call("run", "toy-mean", "--preset", "tiny", "--quiet", "--set", "fail=disk")
    assert result.exit_code == 1
    assert "Cannot write store: the disk is full; free some space" in one_line(result)


def test_a_sentence_ends_and_a_command_at_its_end_stays_as_it_is_typed():
    assert explain(StudyError("give a folder or a Hub id"))[0] == "give a folder or a Hub id."
    again = "It is unfinished. Run it again: inscape run cka --seed 0"
    assert explain(StudyError(again))[0] == again


def test_other_errors_of_the_system_say_the_path():
    assert explain(PermissionError(13, "Permission denied", "/x"))[0] == (
        "Permission denied: /x. Check the path, and that you may read and write there."
    )
    assert explain(OSError("odd"))[0] == "OSError: odd. Add --debug to see where it happened."
    assert explain(OSError(30, "Read-only file system", "/x"))[0].startswith(
        "Cannot write /x: the disk is read-only"
    )
    assert explain_disk(OSError(2, "No such file or directory", "/proc/x")).startswith(
        "Cannot write /proc/x: a part of this path does not exist and cannot be made; write to "
        "another place with --to"
    )
    assert explain(StudyError("One.\n  Two.")) == ("One. Two.", 1)


def test_ctrl_c_is_one_line_and_the_folder_keeps_what_it_had(outside, tmp_path):
    result = call(
        "run", "toy-mean", "--preset", "tiny", "--quiet", "--set", "fail=interrupt", "--out", "r"
    )
    assert result.exit_code == 130
    assert (
        one_line(result)
        == "inscape: Interrupted. What was measured so far is kept in r (unfinished)."
    )
    assert "Ctrl-C" in json.loads((tmp_path / "r" / "run.json").read_text())["failed"]
    report = call("report", "r")
    assert report.exit_code == 1
    assert "unfinished" in one_line(report)


def test_a_real_interrupt_of_a_real_process(outside, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(outside)}
    command = [
        sys.executable,
        "-m",
        "inscape.cli.main",
        "run",
        "toy-mean",
        "--set",
        "fail=wait",
        "--out",
        "r",
    ]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # a suite that was started in the background has Ctrl-C ignored, which children inherit
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        for _ in range(1200):  # a busy machine may take a minute to start
            if (tmp_path / "r" / "tables" / "draws.parquet").exists():
                break
            time.sleep(0.1)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (
        stderr.splitlines()[-1]
        == "inscape: Interrupted. What was measured so far is kept in r (unfinished)."
    )
    assert not (tmp_path / "r" / "done").exists()
    assert "Ctrl-C" in json.loads((tmp_path / "r" / "run.json").read_text())["failed"]


def test_log_records_that_no_command_asked_for_stay_off_standard_error():
    code = (
        "import logging, sys\nsys.argv = ['inscape', 'noisy']\nfrom inscape.cli.main import app, "
        "main\n"
        "record = lambda: logging.getLogger('inscape.model').warning('noise')\nrecord()\n"
        "app.command('noisy')(record)\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "noise\n"  # the one before the command line began


def test_the_line_a_minute_is_shown_where_no_terminal_looks(outside, monkeypatch):
    monkeypatch.setattr("inscape.core.minute_log.EVERY", 0.0)
    monkeypatch.setattr("inscape.report.build.build", lambda path: path)
    line = "averaging: 1 of 1 steps"
    shown = call("run", "toy-mean", "--preset", "tiny")
    assert shown.stderr.count(line) == 1
    assert line not in call("run", "toy-mean", "--preset", "tiny", "--quiet").stderr


def test_a_failed_run_does_not_block_the_corrected_one(outside, monkeypatch, tmp_path):
    monkeypatch.setattr("inscape.report.build.build", lambda path: path)
    line = ("run", "toy-mean", "--preset", "tiny", "--quiet", "--out", "r")
    assert call(*line, "--set", "fail=data").exit_code == 1
    assert call(*line).exit_code == 0
    assert (tmp_path / "r" / "done").exists()
    assert (tmp_path / "r-failed" / "tables" / "draws.parquet").exists()
