"""``inscape report RUN…``: draw reports from run folders; several runs get a page that compares
them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inscape.cli.outcome import outcome, show_outcome
from inscape.cli.printing import emit, say

EPILOG = """Examples:

\b
  inscape report runs/cka
  inscape report runs/cka-seed-0 runs/cka-seed-1 runs/cka-seed-2
"""


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Draw reports from run folders.

    Each run gets report.html, report.md and its figures as PNG, SVG and PDF. Several runs also get
    a page on which the figures and claims of the same study are overlaid.
    """
    from inscape.report.build import build
    from inscape.report.compare import index

    found = []
    for path in runs:
        drawn = build(path)
        found.append({**outcome(path), "report": str(drawn)})
        if not as_json:
            show_outcome(found[-1])
    comparison = str(index(runs)) if len(runs) > 1 else None
    if as_json:
        emit({"runs": found, "comparison": comparison})
    elif comparison:
        say(f"\nComparison: {comparison}")
