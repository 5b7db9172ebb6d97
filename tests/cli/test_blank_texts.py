"""A text without tokens is one sentence on the command line, with its number and the cure."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from inscape.cli.main import app
from tests.model import nets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose tokenizer drops white space and adds nothing."""
    made = tmp_path_factory.mktemp("model")
    nets.net("llama").save_pretrained(made)
    nets.tokenizer().save_pretrained(made)
    return made


@pytest.mark.parametrize(
    ("command", "arguments", "number"),
    [
        ("lens", [" "], 1),
        ("lens", [""], 1),
        ("attribute", [" "], 1),
        ("attention", [" ", "--layer", "0"], 1),
        ("ablate", ["the river", " "], 2),
        ("patch", [" ", "the river"], 1),
        ("harvest", ["data.csv", "--input", "text", "--sites", "embed", "--to", "s"], 2),
        ("plan", ["data.csv", "--input", "text", "--sites", "embed"], 2),
        ("probe", ["data.csv", "--input", "text", "--labels", "y"], 2),
    ],
)
def test_a_blank_text_ends_in_a_sentence(folder, monkeypatch, tmp_path, command, arguments, number):
    monkeypatch.setenv("INSCAPE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    rows = ["text,y", "the river,1", '" ",2', *(f"a film {w},{i}" for i, w in enumerate("abcdef"))]
    (tmp_path / "data.csv").write_text("\n".join(rows))
    result = CliRunner().invoke(app, [command, str(folder), *arguments], prog_name="inscape")
    assert result.exit_code == 1, result.output
    said = " ".join(result.stderr.split())
    assert f"text {number} " in said or f"at row {number} " in said, said
    assert "leave it out" in said or "remove the row" in said
    assert "Traceback" not in result.output
