"""The output of the commands that look into a model: a page, JSON, or a grid in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inscape.cli.printing import emit, paragraph, say, width

Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="The text that the model reads.")]


def page_name(to: Path | None) -> Path | None:
    """The path of a page, where its name is one that a browser opens: said before anything is
    computed.
    """
    if to is not None and to.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"the name of a page ends in .html, got {to.name!r}")
    return to


To = Annotated[
    Path | None,
    typer.Option(callback=page_name, help="Write a self-contained page; the name ends in .html."),
]


def hand_over(found: Any, to: Path | None, as_json: bool, note: str = "") -> None:
    """Write the page where one is asked for; print JSON, or the grid as wide as the terminal.

    Args:
        found: with ``grid()``, ``to_dict()`` and ``save(path)``.
        to: the page.
        as_json: print JSON.
        note: a sentence below the grid.
    """
    path = None if to is None else found.save(to)
    if as_json:
        emit(found.to_dict() | ({} if path is None else {"page": str(path)}))
        return
    for line in found.grid().lines(width()):
        say(line)
    if note:
        say()
        paragraph(note)
    if path is not None:
        say(f"\nPage: {path}")
