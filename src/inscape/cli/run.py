"""``inscape run STUDY``: run a study, draw its report, print its verdicts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from inscape.cli.opening import Compiled, Device, Dtype
from inscape.cli.outcome import outcome, show_outcome
from inscape.cli.printing import StandardError, emit

EPILOG = """Examples:

\b
  inscape run space-time-neurons --preset tiny
  inscape run space-time-neurons --model minilm-l6 --seed 1
  inscape run space-time-neurons --data mine.csv --input text --labels score --group author
  inscape run sentiment-direction --set draws=50 --to runs/sentiment
"""


def run(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study, as 'inscape list' names it.")
    ],
    preset: Annotated[
        str, typer.Option(help="tiny: seconds. small: minutes, two cores. full: the paper's scale.")
    ] = ("small"),
    model: Annotated[
        str | None, typer.Option(help="Model to use instead of the preset's: name, Hub id, folder.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Data to use instead of the preset's: a built-in set or file."),
    ] = None,
    column: Annotated[
        str | None, typer.Option("--input", help="The data's column that the model reads.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="Columns to predict, separated by commas.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Grouping column for cross-validation: author, document, template."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the run; the same seed gives the same numbers.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--to", "--out", help="Run folder, new or empty. Default: runs/STUDY-PRESET-TIME."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Change a setting; repeat it for several."
        ),
    ] = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    compiled: Compiled = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Do not show the log while it runs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run a study and draw its report.

    Prints the answer, every claim with its numbers, and the path of the report.
    """
    from inscape.model.open import opening_with
    from inscape.study.runner import run_study

    changes = dict(setting(text) for text in settings or [])
    columns = {"input": column, "labels": labels, "group": group}
    given = {name: value for name, value in columns.items() if value is not None}
    with followed(quiet), opening_with(device, dtype, compiled):
        path = run_study(study, preset, out, seed, changes, model, data, given)
    found = outcome(path)
    found["report"] = str(drawn_report(path))
    emit(found) if as_json else show_outcome(found)


def setting(text: str) -> tuple[str, str]:
    """``NAME=VALUE`` as it was typed."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise typer.BadParameter(f"write --set NAME=VALUE, got {text!r}", param_hint="'--set'")
    return name.strip(), value


def drawn_report(path: Path) -> Any:
    """The report of a run that is complete, drawn."""
    try:
        from inscape.report.build import build

        return build(path)
    except Exception as error:
        error.add_note(
            f"The run itself is complete, in {path}; draw it again with: inscape report {path}."
        )
        raise


@contextmanager
def followed(quiet: bool) -> Iterator[None]:
    """Show the package's log on standard error while a study runs."""
    handler = StandardError()
    log, lines = logging.getLogger("inscape"), logging.getLogger("inscape.progress")
    before = log.level, lines.level
    if quiet:
        lines.setLevel(logging.WARNING)
    else:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        lines.setLevel(before[1])
