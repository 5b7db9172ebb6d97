"""``inscape results`` and ``inscape gallery``: the pages of results that a repository keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.printing import say

Runs = Annotated[list[Path], typer.Argument(help="Finished run folders.", metavar="RUN")]


EPILOG = """Examples:

\b
  inscape results runs/cka --to results.md
  inscape results runs/* --to results.md --records results
  inscape gallery runs/* --to gallery.md
"""


def results(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Finished run folders.", metavar="RUN")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="The Markdown file to write.")] = Path(
        "results.md"
    ),
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            help="Keep a small record of each run in this folder, and show all kept runs.",
        ),
    ] = None,
) -> None:
    """Write the verdicts of runs as a Markdown table.

    Each study gets a page of details.
    """
    from inscape.report import results as pages

    say(f"Results: {pages.results(runs or [], to, records)}")


def gallery(
    runs: Runs,
    to: Annotated[Path, typer.Option("--to", help="The Markdown file to write.")] = Path(
        "gallery.md"
    ),
) -> None:
    """Write a Markdown page with one figure of each study.

    Studies that the page shows already are kept.
    """
    from inscape.report import gallery as pages

    say(f"Gallery: {pages.gallery(runs, to)}")
