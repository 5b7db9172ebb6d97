"""The page on the life of a store does what it says, block by block; its commands can be typed."""

from __future__ import annotations

import shlex

import typer

from tests.docs.blocks import ROOT, fenced, run_page

PAGE = ROOT / "docs" / "harvest.md"


def test_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_page(PAGE) >= 20
    # what the page says of its stores is so of what it left behind
    assert {p.name for p in tmp_path.glob("*.store")} == {
        f"{n}.store" for n in "places cut whole ids maps".split()
    }


def test_its_commands_can_be_typed():
    from inscape.cli.main import app

    group = typer.main.get_command(app)
    blocks = fenced(PAGE.read_text(encoding="utf-8"), "sh")
    commands = [
        line for _, block in blocks for line in block.splitlines() if line.startswith("inscape ")
    ]
    assert len(commands) == 7
    for line in commands:
        name, *arguments = shlex.split(line)[1:]
        group.commands[name].make_context(name, arguments)
