"""Nothing that a terminal obeys reaches it, whatever data, names and errors hold."""

import ast
import json
import logging
import shutil
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from inscape.cli import main, printing
from inscape.cli.main import app
from inscape.core.characters import visible
from inscape.report.folder import read
from tests.cli.test_models import fake_model  # noqa: F401
from tests.report.conftest import folder  # noqa: F401

#: colours, a title, the clipboard, a C1 sequence, direction, the line begun anew, the bell
HOSTILE = (
    "red \x1b[31m \x1b]0;PWNED\x07 \x1b]52;c;ZXZpbA==\x07 \x9b2J \u202egpj.\u2066 \rnew \x08\x7f"
)
CONTROLS = [chr(c) for c in (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, 0xFEFF)]
CONTROLS += [
    chr(c) for c in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
]
COMMANDS = sorted(c.name for c in app.registered_commands)


def call(*arguments):
    # with colours, since without them typer strips sequences on its own
    return CliRunner().invoke(app, list(arguments), prog_name="inscape", color=True)


def harmless(text):
    """Whether a terminal obeys nothing in a text but line feeds and our own bold type."""
    plain = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    return visible(plain) == plain


@pytest.mark.parametrize("character", CONTROLS, ids=lambda c: f"{ord(c):04x}")
def test_every_way_of_printing_writes_every_control_character_out(character, capsys):
    text = f"a{character}b"
    printing.say(text, bold=text)
    printing.say(text, err=True)
    printing.columns([(text, text), (text, text)])
    printing.paragraph(text)
    printing.table(text, (text, text), [(text, text)])
    printing.emit({text: [text]})
    record = logging.LogRecord("x", 20, "", 0, "%s", (text,), None)
    print(printing.Lines("%(message)s").format(record), printing.warned(text, UserWarning))
    out, err = capsys.readouterr()
    assert harmless(out)
    assert harmless(err)
    assert out.count(visible(text)) >= 10
    assert text not in out + err
    printing.emit([text])
    assert json.loads(capsys.readouterr().out) == [text]


def test_only_one_module_of_the_command_line_prints():
    found = []
    for file in sorted(Path(printing.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name.rpartition(".")[2] in {"echo", "secho", "print", "print_exc", "Console"}:
                    found.append((file.name, name))
                if name.endswith(("stdout.write", "stderr.write", "logging.Formatter", ".style")):
                    found.append((file.name, name))
    assert {file for file, _ in found} == {"printing.py"}
    assert len(found) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_of_any_command_is_harmless(command, outside, tmp_path):
    paths = [f"/nowhere/{HOSTILE}", str(tmp_path / HOSTILE.replace("/", "_"))]
    for arguments in ([paths[0], "--debug"], [*paths, HOSTILE], [f"--{HOSTILE}"]):
        result = call(command, *arguments)
        assert harmless(result.output), (command, arguments, result.output)
    assert not harmless(HOSTILE)


def test_a_command_of_any_name_is_harmless():
    result = call(HOSTILE)
    assert result.exit_code == 2
    assert harmless(result.output)
    assert r"red \x1b[31m" in result.output


def test_rows_of_a_table_are_harmless(outside, tmp_path):
    rows = pd.DataFrame(
        {"text": [HOSTILE, "x"], "score": [1, 2], f"group{HOSTILE}": [HOSTILE, "b"]}
    )
    rows.to_json(tmp_path / f"{HOSTILE.replace('/', '_')}.jsonl", orient="records", lines=True)
    result = call("data", str(tmp_path / f"{HOSTILE.replace('/', '_')}.jsonl"), "--rows", "2")
    assert result.exit_code == 0, result.output
    assert harmless(result.output)
    assert r"\x1b[31m" in result.output


def test_a_model_and_its_sites_are_harmless(fake_model):  # noqa: F811
    fake_model.record["model"] = fake_model.name = HOSTILE
    fake_model.record["items"][0]["name"] = HOSTILE
    for arguments in (["certify", "m"], ["sites", "m"], ["certify", "m", "--json"]):
        result = call(*arguments)
        assert result.exit_code == 0, result.output
        assert harmless(result.output)


def _hostile(value):
    """A value with the payload in every text that says something to a reader."""
    if isinstance(value, dict):
        kept = {"study", "kind", "name", "slug", "figure", "verdict"}
        return {k: v if k in kept else _hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_hostile(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


def test_a_run_and_its_report_are_harmless(folder, tmp_path, monkeypatch):  # noqa: F811
    run = shutil.copytree(folder, tmp_path / "run")
    for name in ("run", "claims", "certificates"):
        file = run / f"{name}.json"
        file.write_text(json.dumps(_hostile(json.loads(file.read_text()))))
    monkeypatch.setattr("inscape.report.build.build", lambda path: Path(path) / "report.html")
    for arguments in (
        ["report", str(run)],
        ["report", str(run), str(run)],
        ["report", str(run), "--json"],
        ["results", str(run), "--to", str(tmp_path / "results.md")],
    ):
        result = call(*arguments)
        assert result.exit_code == 0, result.output
        assert harmless(result.output)
    assert "\\x9b2J \ufffdgpj" in call("report", str(run)).output
    assert "\x1b" not in (tmp_path / "results.md").read_text()
    assert read(run).title.startswith("red \ufffd[31m")


def test_a_card_is_harmless(outside, tmp_path, monkeypatch):
    (tmp_path / "hostile-1.dist-info").mkdir()
    (tmp_path / "hostile-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: hostile\nVersion: 1\n"
    )
    (tmp_path / "hostile-1.dist-info" / "entry_points.txt").write_text(
        "[inscape.studies]\nhostile = hostile_study\n"
    )
    (tmp_path / "hostile_study.py").write_text("CARD = make(" + repr(HOSTILE) + ")\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for arguments in (["list"], ["show", "hostile"]):
        result = call(*arguments)
        assert harmless(result.output)
        assert "hostile" in result.output


def test_the_log_of_a_run_is_harmless(tmp_path):
    from inscape.study.folder import Folder

    Folder(tmp_path).append("log.txt", HOSTILE)
    assert harmless((tmp_path / "log.txt").read_text(encoding="utf-8"))
    assert r"\x1b[31m" in (tmp_path / "log.txt").read_text(encoding="utf-8")


def test_warnings_of_python_are_harmless(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(main, "app", lambda **_: None)
    monkeypatch.setattr(sys, "argv", ["inscape"])
    main.main()
    assert harmless(warnings.formatwarning(HOSTILE, UserWarning, "x.py", 1))


@pytest.mark.parametrize(
    ("variable", "value", "bold"),
    [("NO_COLOR", "1", False), ("TERM", "dumb", False), ("TERM", "xterm", True)],
)
def test_titles_are_bold_only_where_that_is_wanted(monkeypatch, variable, value, bold):
    written = []
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(printing.typer, "echo", lambda text, err: written.append(text))
    printing.say(" and more", bold="Title")
    assert written == [("\x1b[1mTitle\x1b[0m" if bold else "Title") + " and more"]
