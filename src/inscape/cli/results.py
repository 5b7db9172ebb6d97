"""``inscape results`` and ``inscape gallery``: the pages that a repository keeps, made from run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.printing import say

Runs = Annotated[list[Path], typer.Argument(help="Finished run folders.", metavar="RUN")]


def results(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Finished run folders.", metavar="RUN")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="The Markdown file to write.")] = Path(
        "docs/results.md"
    ),
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            help="Keep a small record of each run in this folder, and show every run that is kept there.",
        ),
    ] = None,
) -> None:
    """Show the claims of runs as a Markdown page, each with its verdict, whatever it is."""
    from inscape.report import results as pages

    say(f"Results: {pages.results(runs or [], to, records)}")


def gallery(
    runs: Runs,
    to: Annotated[Path, typer.Option("--to", help="The Markdown file to write.")] = Path(
        "docs/gallery.md"
    ),
) -> None:
    """Show one figure of each study, as a Markdown page."""
    from inscape.report import results as pages

    say(f"Gallery: {pages.gallery(runs, to)}")
