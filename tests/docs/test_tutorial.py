"""The tutorial does what it says, block by block; the README's lines for one's own data run; its
commands exist.
"""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path

import pytest
import typer

import inscape
from inscape.data.examples import Examples
from inscape.worlds.places import places
from tests.docs.blocks import ROOT, Statement, agrees, execute, fenced, run_page, statements

TUTORIAL, README = ROOT / "docs" / "tutorial.md", ROOT / "README.md"


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("R² 0.95 [0.92, 0.97], p = …", "R² 0.94 [0.90, 0.99], p = 0.01", True),
        ("R² 0.95 [0.92, 0.97], p = …", "R² 0.15 [0.10, 0.19], p = 0.01", False),
        ("R² -0.41 […], null", "R² -0.38 [-1.08, 0.01], null", True),
        ("R² -0.41 […], null", "R² 0.38 [-1.08, 0.01], null", False),
        ("324 rows", "325 rows", False),
        ("[1. 1.]", "[0.9 1. ]", False),
        ("[1. 1.]", "[1. 1.]", True),
        ("one\ntwo", "one\nthree", False),
    ],
)
def test_a_promise_is_kept_or_not(expected: str, printed: str, same: bool):
    assert agrees(expected, printed) is same


def test_promises_belong_to_the_statement_above_them():
    found = list(statements("x = 1\nprint(\n    x\n)\n# -> 1\n\n# -> not this\n", first=10))
    assert [(s.line, s.expected) for s in found] == [(10, None), (11, "1")]
    names: dict = {}
    assert [execute(s, names, "here") for s in found] == ["", "1"]


def test_a_page_that_breaks_its_promise_is_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 2\nprint(x)\n# -> 3\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 3 promises\n3\nand prints\n2"):
        run_page(page)
    page.write_text("```python\nprint(2)\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 2 prints and the page does not say what: 2"):
        run_page(page)


def test_the_tutorial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_page(TUTORIAL) >= 15
    assert (tmp_path / "layers.svg").read_text().startswith("<svg")


def _own_data() -> list[Statement]:
    """The README's lines for one's own model and data."""
    blocks = fenced(README.read_text(encoding="utf-8"), "python")
    assert len(blocks) == 1
    found = list(statements(blocks[0][1], blocks[0][0]))
    assert sum("inscape" in s.source or "print" in s.source for s in found) <= 6
    return found


def _table(examples: Examples, folder: Path) -> None:
    frame = examples.frame.rename(
        columns={"name": "text", "latitude": "score", "country": "author"}
    )
    frame[["text", "score", "author"]].to_csv(folder / "mine.csv", index=False)


def test_five_lines_for_ones_own_model_and_data(tmp_path, monkeypatch):
    world = places(steps=60)
    opened = []
    monkeypatch.setattr(
        import_module("inscape.model.open"), "open", lambda what: opened.append(what) or world.model
    )
    monkeypatch.chdir(tmp_path)
    _table(world.examples, tmp_path)
    names: dict = {}
    printed = "".join(execute(s, names, str(README)) for s in _own_data())
    assert opened == ["minilm-l6"]
    assert printed.startswith("R² of score ")
    assert "null" in printed
    assert "p = " in printed


@pytest.mark.real
def test_five_lines_with_the_model_they_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _table(places(steps=1).examples, tmp_path)
    names: dict = {}
    printed = "".join(execute(s, names, str(README)) for s in _own_data())
    assert names["model"].name == "minilm-l6"
    assert printed.startswith("R² of score ")


def _commands() -> list[str]:
    docs = ROOT / "docs"
    files = [
        README,
        TUTORIAL,
        ROOT / "CONTRIBUTING.md",
        docs / "architecture.md",
        docs / "control.md",
    ]
    blocks = [
        block
        for file in files
        for _, block in fenced(file.read_text(encoding="utf-8"), "(?:sh|console)")
    ]
    return sorted(
        {line for block in blocks for line in block.splitlines() if line.startswith("inscape ")}
    )


def test_every_command_in_the_docs_can_be_typed():
    from inscape.cli.main import app

    group = typer.main.get_command(app)
    commands = _commands()
    assert len(commands) >= 5
    for line in commands:
        name, *arguments = shlex.split(line, comments=True)[1:]
        assert name in group.commands, line
        # parses and checks the arguments, and calls nothing
        group.commands[name].make_context(name, arguments)


def test_the_names_in_the_docs_resolve():
    """A guard of the guard: what the README's lines use is what the package offers."""
    assert {"open", "load", "harvest", "sweep"} <= set(inscape.__all__)
