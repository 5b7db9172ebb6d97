"""``inscape results`` and ``inscape gallery``: the pages that a repository keeps, made from run folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.printing import say

Runs = Annotated[list[Path], typer.Argument(help="Finished run folders.", metavar="RUN")]


def results(
    runs: Runs,
    to: Annotated[Path, typer.Option("--to", help="The Markdown file to write.")] = Path(
        "docs/results.md"
    ),
) -> None:
    """Record the claims of runs as a Markdown page, passed or not."""
    from inscape.report import results as pages

    say(f"Results: {pages.results(runs, to)}")


def gallery(
    runs: Runs,
    to: Annotated[Path, typer.Option("--to", help="The Markdown file to write.")] = Path(
        "docs/gallery.md"
    ),
) -> None:
    """Show one figure of each study, as a Markdown page."""
    from inscape.report import results as pages

    say(f"Gallery: {pages.gallery(runs, to)}")
